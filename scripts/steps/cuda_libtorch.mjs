// A libtorch with CUDA, by pip and from pip's own configuration: the wheel of torch, NVIDIA's
// wheels that it names, and NVIDIA's compiler. Several GB, so only where it is asked for.
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { findPip } from "../../lib/install/fetch.js";
import { unzip } from "../../lib/install/zip.js";
import { log, run, Stop } from "../shared.mjs";

const METADATA = /^[^/]+\.dist-info\/METADATA$/;
/** What nvcc needs of a toolkit that torch itself does not. */
const COMPILER_EXTRA = "nvcc";

/**
 * Leaves `torch/` and `nvidia/` in `folder/packages`.
 *
 * @param {string} folder
 * @param {string} version of torch
 * @returns {Promise<string>} the folder of libtorch
 */
export async function provideCudaLibtorch(folder, version) {
  const packages = join(folder, "packages");
  const libtorch = join(packages, "torch");
  if (existsSync(join(libtorch, "lib", "libtorch_cuda.so"))) return libtorch;
  const python = await findPip();
  if (!python) throw new Stop("expected a Python with pip but found none");
  mkdirSync(folder, { recursive: true });
  // Only a complete folder gets the final name.
  const work = mkdtempSync(join(folder, "new-"));
  const pip = (...args) =>
    run(python[0], [
      ...[...python.slice(1), "-m", "pip", ...args.slice(0, 1)],
      ...["--no-input", "--disable-pip-version-check", "--no-deps", "--only-binary", ":all:"],
      ...args.slice(1),
    ]);
  try {
    log(`fetching torch ${version} and NVIDIA's wheels by pip (several GB)`);
    const wheels = join(work, "wheels");
    const download = async (requirement, name) => {
      await pip("download", "--dest", wheels, requirement);
      const wheel = readdirSync(wheels).find((file) => file.startsWith(`${name}-`));
      return await requirementsOf(join(wheels, wheel), work);
    };
    const torch = await download(`torch==${version}`, "torch");
    const needed = await nvidiaWheels(torch, (toolkit) => download(toolkit, "cuda_toolkit"));
    const made = join(work, "packages");
    // In one call: the wheels share the folder nvidia/.
    await pip(
      ...["install", "--no-compile", "--find-links", wheels, "--target", made],
      ...[`torch==${version}`, ...needed],
    );
    rmSync(packages, { recursive: true, force: true });
    await run("mv", [made, packages]);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  return libtorch;
}

/** The requirements of a wheel: `{name, extras, version, extra}`, `extra` the one that asks. */
async function requirementsOf(wheel, work) {
  const folder = mkdtempSync(join(work, "metadata-"));
  let file;
  await unzip(wheel, folder, (name) => {
    if (!METADATA.test(name)) return undefined;
    file = join(folder, name);
    return name;
  });
  return readFileSync(file, "utf8").split("\n").map(parseRequirement).filter(Boolean);
}

/** One line of METADATA; nothing for lines that require nothing here. */
export function parseRequirement(line) {
  const found = /^Requires-Dist:\s*([\w.-]+)\s*(?:\[([^\]]*)\])?\s*([^;]*)(?:;(.*))?$/.exec(line);
  if (!found) return undefined;
  const [, name, extras, version, marker = ""] = found;
  return {
    name,
    extras: extras ? extras.split(",").map((extra) => extra.trim()) : [],
    version: version.replace(/[()\s]/g, ""),
    extra: /extra\s*==\s*['"]([^'"]+)['"]/.exec(marker)?.[1],
  };
}

/**
 * NVIDIA's wheels that torch needs, as requirements for pip, with those of the compiler. Newer
 * torch names a toolkit and its parts, which `ofToolkit` lists.
 */
export async function nvidiaWheels(torch, ofToolkit) {
  const named = torch.filter(({ name, extra }) => !extra && name.startsWith("nvidia-"));
  const toolkit = torch.find(({ name, extra }) => !extra && name === "cuda-toolkit");
  const parts = toolkit
    ? (await ofToolkit(`cuda-toolkit${toolkit.version}`)).filter(({ extra }) =>
        [...toolkit.extras, COMPILER_EXTRA].includes(extra),
      )
    : compilerBeside(named);
  return [...new Set([...named, ...parts].map(({ name, version }) => name + version))].sort();
}

/** The compiler of the same CUDA as the runtime that is named. */
function compilerBeside(named) {
  const runtime = named.find(({ name }) => name.startsWith("nvidia-cuda-runtime"));
  const minor = /==(\d+\.\d+)/.exec(runtime?.version ?? "")?.[1];
  if (!minor) throw new Stop("expected a torch that needs NVIDIA's CUDA runtime");
  const compiler = ["nvidia-cuda-nvcc", "nvidia-cuda-crt", "nvidia-nvvm"];
  return compiler.map((name) => ({ name, version: `==${minor}.*` }));
}
