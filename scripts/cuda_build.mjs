// Builds everything against a libtorch with CUDA and tests what needs no card: that it compiles and
// links, torchsight_cuda alone against CUDA, that the C++ and some TypeScript tests pass on the CPU
// with that libtorch, and that addon and torchsight_cuda load in Node. Not part of CI: it fetches
// several GB.
//
//   node scripts/cuda_build.mjs [--torch 2.14.1] [--into DIR]
//
// TORCH_CUDA_ARCH_LIST names the cards that kernels are compiled for, e.g. "9.0".
import { isAbsolute, join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { capture, log, packageBin, root, Stop, work } from "./shared.mjs";
import { countTap } from "./steps/count.mjs";
import { provideCudaLibtorch } from "./steps/cuda_libtorch.mjs";
import { checkMachine } from "./steps/machine.mjs";
import { buildEnvironment, compile, testNative } from "./steps/native.mjs";
import { installPackages } from "./steps/packages.mjs";
import { buildTypeScript } from "./steps/typescript.mjs";

const TESTS = ["test/gpu/*.test.ts", "test/core/*.test.ts", "test/models/vit22b.test.ts"];

try {
  const { values } = parseArgs({
    options: {
      torch: { type: "string", default: "2.14.1" },
      into: { type: "string", default: join(work, "cuda") },
    },
  });
  const into = isAbsolute(values.into) ? values.into : resolve(root, values.into);
  process.exitCode = (await build(values.torch, into)) ? 0 : 1;
} catch (error) {
  log(error instanceof Stop || error.name === "InstallError" ? error.message : error.stack);
  process.exitCode = 1;
}

async function build(version, into) {
  await checkMachine();
  await installPackages();
  await buildTypeScript();
  const libtorch = await provideCudaLibtorch(into, version);
  const architectures = process.env.TORCH_CUDA_ARCH_LIST || "8.0;9.0";
  const tree = join(into, "tree");
  const definitions = {
    TORCHSIGHT_LIBTORCH: libtorch,
    TORCHSIGHT_RELEASE: join(into, "build", "Release"),
  };
  log(`building against torch ${version} for cards of ${architectures}`);
  await compile(tree, definitions, {
    ...buildEnvironment(),
    TORCH_CUDA_ARCH_LIST: architectures,
  });
  const env = {
    ...process.env,
    TORCHSIGHT_LIBTORCH: libtorch,
    TORCHSIGHT_PREBUILD: into,
  };
  await checkLinkage(join(into, "build", "Release", "native"));
  const native = await testNative(tree, process.env);
  const doctor = await diagnose(env);
  log(`TypeScript tests: ${TESTS.join(" ")}`);
  const { output, code } = await capture(process.execPath, [packageBin("ava"), "--tap", ...TESTS], {
    env,
  });
  const typescript = countTap(output, code);
  if (typescript.failed > 0) process.stdout.write(output);
  const report = {
    date: new Date().toISOString().slice(0, 10),
    ...doctor,
    architectures,
    native,
    typescript,
  };
  process.stdout.write(`${JSON.stringify(report, undefined, 2)}\n`);
  return native.failed === 0 && typescript.failed === 0;
}

/** One prebuild has to serve a libtorch without CUDA as well. */
async function checkLinkage(folder) {
  for (const name of ["torchsight_core.node", "torchsight-worker"]) {
    const { output } = await capture("readelf", ["--dynamic", join(folder, name)], {});
    const needed = [...output.matchAll(/NEEDED.*\[(.*)\]/g)].map(([, library]) => library);
    const wrong = needed.filter((library) => /cuda|cublas|cudnn|nccl/.test(library));
    if (needed.length > 0 && wrong.length === 0) continue;
    throw new Stop(`expected nothing of CUDA but ${name} needs ${needed.join(", ")}`);
  }
}

/** What `doctor` says of the build: addon and torchsight_cuda load, whatever cards there are. */
async function diagnose(env) {
  const program = join(root, "dist", "cli", "main.js");
  const { output } = await capture(process.execPath, [program, "doctor", "--json"], { env });
  const { ok, libtorch, addon, devices, cuda, problems } = JSON.parse(output);
  if (!ok) throw new Stop(`doctor found: ${problems.map(({ message }) => message).join("; ")}`);
  if (libtorch.variant !== "cuda") throw new Stop(`expected CUDA in ${libtorch.path}`);
  if (!cuda?.addon) throw new Stop("torchsight_cuda was not built or cannot be opened");
  return { libtorch: libtorch.version, addon: addon.version, devices, cuda };
}
