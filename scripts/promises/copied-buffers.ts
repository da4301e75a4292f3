import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { capture, packageBin, root, run, work, works } from "../shared.mjs";
import { countTap } from "../steps/count.mjs";
import { provideLibtorch } from "../steps/libtorch.mjs";
import { buildEnvironment } from "../steps/native.mjs";
import type { RuntimePromise } from "./promise.js";

const TREE = join(work, "copied-buffers");
/** Laid out as a package, so that `TORCHSIGHT_PREBUILD` can name it. */
const PACKAGE = join(TREE, "package");
const RELEASE = join(PACKAGE, "build", "Release");
const DEFINE = "NODE_API_NO_EXTERNAL_BUFFERS_ALLOWED";

/** Builds the addon anew, without external buffers, beside the usual build. */
async function build(): Promise<void> {
  const libtorch = await provideLibtorch();
  const env = buildEnvironment();
  const options = [
    ...["--directory", root, "--out", TREE, "--config", "Release", "--log-level", "warn"],
    `--CDTORCHSIGHT_LIBTORCH=${libtorch.path}`,
    `--CDTORCHSIGHT_OUTPUT=${RELEASE}`,
    "--CDTORCHSIGHT_COPY_BUFFERS=ON",
    "--CDTORCHSIGHT_TESTS=OFF",
  ];
  const cmakeJs = packageBin("cmake-js");
  await run(process.execPath, [cmakeJs, "configure", ...options], { env });
  for (const target of ["torchsight_loader", "torchsight_addon"]) {
    await run(process.execPath, [cmakeJs, "build", ...options, "--target", target], { env });
  }
  // The worker hands no buffers to JavaScript: the usual one will do.
  const native = join(root, "build", "Release", "native");
  const worker = readdirSync(native).find((name) => name.startsWith("torchsight-worker"));
  mkdirSync(join(RELEASE, "native"), { recursive: true });
  if (worker) copyFileSync(join(native, worker), join(RELEASE, "native", worker));
}

/** Whether the addon was really compiled so. */
function copies(): boolean {
  const commands = join(TREE, "compile_commands.json");
  return existsSync(commands) && readFileSync(commands, "utf8").includes(DEFINE);
}

export const copiedBuffers: RuntimePromise = {
  name: "copied-buffers",
  statement:
    `An addon built with ${DEFINE}, as Electron demands, passes the tests of the core: tensors, ` +
    "operators, gradients, jobs",
  limit: "0 failures",
  minutes: { short: 30, soak: 60 },
  async run() {
    const compiler = process.env.CXX ?? (process.platform === "win32" ? "cl" : "c++");
    const found = process.platform === "win32" || (await works(compiler, "--version"));
    if (!found || !(await works("cmake", "--version"))) {
      return { holds: "skipped", figure: "no C++ compiler or no cmake on this machine" };
    }
    await build();
    const args = [packageBin("ava"), "--tap", "test/core/*.test.ts"];
    const env = { ...process.env, TORCHSIGHT_PREBUILD: PACKAGE };
    const { output, code } = await capture(process.execPath, args, { env });
    const { passed, failed } = countTap(output, code);
    if (failed > 0) process.stderr.write(output);
    const figure = `${passed} tests passed, ${failed} failed${copies() ? "" : ", not built so"}`;
    return { holds: failed === 0 && passed > 0 && copies(), figure };
  },
};
