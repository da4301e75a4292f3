/**
 * Brings the pinned libtorch into the cache: by pip, whose configuration carries mirrors and
 * proxies, else straight from PyTorch's public index.
 */
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { createWriteStream, existsSync } from "node:fs";
import { cp, mkdir, mkdtemp, readdir, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { Readable, Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import {
  cachedLibtorch,
  cacheFolder,
  InstallError,
  libraryFile,
  PINNED_VERSION,
  PYTHON_COMMANDS,
} from "./libtorch.js";
import { withLock } from "./lock.js";
import { unzip } from "./zip.js";

const INDEX = "https://download.pytorch.org/whl";

/**
 * Wheels that may be fetched without pip. Only those whose digest has been verified are listed.
 *
 * @type {Record<string, {file: string, sha256: string}>}
 */
const PINNED_WHEELS = {
  "linux-x64-cpu": {
    file: `torch-${PINNED_VERSION}+cpu-cp311-cp311-manylinux_2_28_x86_64.whl`,
    sha256: "6746dbcbeb526eb61330b76b41ff1b4eb848951103a892eeb080dfa2b264667b",
  },
};

/** Variants of libtorch that can be fetched. */
export const VARIANTS = /** @type {const} */ (["cpu", "cu130"]);

/**
 * @typedef {object} FetchOptions
 * @property {(typeof VARIANTS)[number]} [variant]
 * @property {(line: string) => void} log told what is being done
 * @property {NodeJS.ProcessEnv} [env]
 */

/**
 * Brings libtorch into the cache unless it is there.
 *
 * @param {FetchOptions} options
 * @returns {Promise<string>} its folder
 */
export async function fetchLibtorch({ variant = "cpu", log, env = process.env }) {
  const target = cachedLibtorch(variant, cacheFolder(env));
  const whole = dirname(target);
  const waiting = (/** @type {number} */ pid) =>
    log(`waiting for process ${pid}, which is fetching libtorch (${whole}.lock)`);
  return withLock(
    `${whole}.lock`,
    async () => {
      if (existsSync(libraryFile(target))) return target;
      await mkdir(dirname(whole), { recursive: true });
      const work = await mkdtemp(`${whole}.new-`);
      try {
        await obtain(variant, work, log, env);
        // Only a complete libtorch ever gets the final name.
        await rm(whole, { recursive: true, force: true });
        await rename(join(work, "kept"), whole);
      } finally {
        await rm(work, { recursive: true, force: true });
      }
      return target;
    },
    waiting,
  );
}

/**
 * Leaves `torch/` (and `nvidia/`) in `work/kept`.
 *
 * @param {(typeof VARIANTS)[number]} variant
 * @param {string} work
 * @param {(line: string) => void} log
 * @param {NodeJS.ProcessEnv} env
 */
async function obtain(variant, work, log, env) {
  const python = await findPip();
  if (python) {
    if (await pipInstall(python, variant, work, log, env)) return;
    log("pip could not bring libtorch; trying PyTorch's public index");
  }
  const wheel = PINNED_WHEELS[`${process.platform}-${process.arch}-${variant}`];
  if (!wheel) {
    throw new InstallError(
      "LIBTORCH",
      `expected pip to bring torch ${PINNED_VERSION} (${variant}) but it ${
        python ? "failed" : "is not there"
      }, and no wheel of ${process.platform}-${process.arch} has a verified digest`,
      "Install Python 3.10 or newer with pip, or unpack libtorch yourself and set " +
        "TORCHSIGHT_LIBTORCH to its folder",
    );
  }
  const file = join(work, wheel.file);
  await download(`${INDEX}/${variant}/${encodeURIComponent(wheel.file)}`, wheel.sha256, file, log);
  await unpackWheel(file, join(work, "kept"));
}

/** @returns {Promise<string[] | undefined>} the command of a Python that has pip */
export async function findPip() {
  for (const python of PYTHON_COMMANDS) {
    if ((await run([...python, "-m", "pip", "--version"], "ignore")) === 0) return python;
  }
  return undefined;
}

/**
 * @param {string[]} python
 * @param {(typeof VARIANTS)[number]} variant
 * @param {string} work
 * @param {(line: string) => void} log
 * @param {NodeJS.ProcessEnv} env
 * @returns {Promise<boolean>} whether it worked
 */
async function pipInstall(python, variant, work, log, env) {
  // PyTorch marks its builds by a local version; its wheels for macOS carry none.
  const suffix = process.platform === "darwin" ? "" : `+${variant}`;
  const wanted = `torch==${PINNED_VERSION}${suffix}`;
  // A CUDA libtorch needs NVIDIA's libraries, which come as its dependencies.
  const dependencies = variant === "cpu" ? ["--no-deps"] : [];
  // The user's own index is asked first: it may be a mirror, and the only one that answers.
  for (const extra of [[], ["--extra-index-url", `${INDEX}/${variant}`]]) {
    const packages = join(work, "packages");
    log(`fetching ${wanted} by pip${extra.length ? " from PyTorch's index" : ""}`);
    const status = await run(
      [
        ...[...python, "-m", "pip", "install", "--no-input", "--disable-pip-version-check"],
        ...["--no-compile", "--only-binary", ":all:", "--target", packages],
        ...[...dependencies, ...extra, wanted],
      ],
      2,
      env,
    );
    if (status === 0) {
      await keepPackages(packages, join(work, "kept"));
      return true;
    }
    await rm(packages, { recursive: true, force: true });
  }
  return false;
}

/**
 * Keeps what is needed of pip's result.
 *
 * @param {string} packages
 * @param {string} kept
 */
async function keepPackages(packages, kept) {
  await mkdir(join(kept, "torch"), { recursive: true });
  for (const entry of ["lib", "include", "version.py"]) {
    await rename(join(packages, "torch", entry), join(kept, "torch", entry));
  }
  for (const entry of await readdir(packages)) {
    if (entry === "nvidia") await rename(join(packages, entry), join(kept, entry));
    const licenses = join(packages, entry, "licenses");
    if (/^(torch|nvidia_.*)-.*\.dist-info$/.test(entry) && existsSync(licenses)) {
      const name = entry.startsWith("torch-") ? "torch" : entry.replace(/\.dist-info$/, "");
      await cp(licenses, join(kept, "torch", "licenses", name), { recursive: true });
    }
  }
  for (const library of await readdir(join(kept, "torch", "lib"))) {
    if (!isNeeded(library)) await rm(join(kept, "torch", "lib", library), { recursive: true });
  }
}

/**
 * Unpacks `lib/`, `include/` and the licences of a torch wheel into `folder/torch`.
 *
 * @param {string} wheel
 * @param {string} folder
 */
export async function unpackWheel(wheel, folder) {
  const written = await unzip(wheel, folder, (name) => {
    const license = /^torch-[^/]*\.dist-info\/licenses\/(.+)$/.exec(name)?.[1];
    if (license) return join("torch", "licenses", "torch", license);
    if (name === "torch/version.py" || name.startsWith("torch/include/")) return name;
    const library = /^torch\/lib\/(.+)$/.exec(name)?.[1];
    return library && isNeeded(/** @type {string} */ (library.split("/")[0])) ? name : undefined;
  });
  if (!existsSync(libraryFile(join(folder, "torch")))) {
    throw new InstallError(
      "LIBTORCH",
      `expected a torch wheel for this platform but ${basename(wheel)} has none of its libraries`,
      "Set TORCHSIGHT_LIBTORCH to a libtorch folder",
    );
  }
  return written;
}

/**
 * Whether a file of torch's `lib/` serves anybody but Python and PyTorch's own tests.
 *
 * @param {string} library
 */
function isNeeded(library) {
  return !/torch_python|_test\.|^libshm|aoti_custom_ops|backend_with_compiler/.test(library);
}

/**
 * Downloads `url` to `file` and refuses it unless its digest is `sha256`.
 *
 * @param {string} url
 * @param {string} sha256
 * @param {string} file
 * @param {(line: string) => void} log
 */
export async function download(url, sha256, file, log) {
  const failed = (/** @type {string} */ why) =>
    new InstallError(
      "LIBTORCH",
      `expected ${url} to answer with the wheel of digest ${sha256.slice(0, 12)}… but ${why}`,
      "Check the network, or set TORCHSIGHT_LIBTORCH to a libtorch folder",
    );
  const response = await fetch(url).catch((error) => {
    throw failed(`it could not be reached (${error.cause?.code ?? error.message})`);
  });
  if (!response.ok || !response.body) throw failed(`it answered ${response.status}`);
  const total = Number(response.headers.get("content-length"));
  const hash = createHash("sha256");
  let bytes = 0;
  let told = 0;
  const watch = new Transform({
    transform(chunk, _encoding, done) {
      hash.update(chunk);
      bytes += chunk.length;
      if (total && bytes / total >= told + 0.1) {
        told = Math.floor((bytes / total) * 10) / 10;
        log(`${Math.round(told * 100)} % of ${Math.round(total / 1e6)} MB`);
      }
      done(null, chunk);
    },
  });
  await pipeline(Readable.fromWeb(response.body), watch, createWriteStream(file));
  const digest = hash.digest("hex");
  if (digest !== sha256) throw failed(`received ${digest.slice(0, 12)}…`);
}

/**
 * @param {string[]} command
 * @param {"ignore" | 2} output where stdout and stderr go
 * @param {NodeJS.ProcessEnv} [env]
 * @returns {Promise<number>} the exit code, or -1 where it could not run
 */
function run([command, ...args], output, env = process.env) {
  return new Promise((resolve) => {
    const stdio = /** @type {import("node:child_process").StdioOptions} */ ([
      "ignore",
      output,
      output,
    ]);
    const child = spawn(/** @type {string} */ (command), args, { stdio, env });
    child.on("error", () => resolve(-1));
    child.on("close", (code) => resolve(code ?? -1));
  });
}
