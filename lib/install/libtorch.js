/**
 * Where libtorch is. Plain JavaScript over Node's built-in modules: `scripts/bootstrap.mjs` uses it
 * before anything is installed or compiled.
 */
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join, resolve } from "node:path";

/** The libtorch that prebuilt addons are made for and that `torchsight setup` brings. */
export const PINNED_VERSION = "2.13.0";
/** The minors of libtorch 2 that the sources compile against. */
export const SUPPORTED_MINORS = { first: 11, last: 14 };

/**
 * @typedef {object} Libtorch
 * @property {string} path folder that holds `lib/` and, unless it is a bundle, `include/`
 * @property {string} version as libtorch names itself, e.g. `2.13.0+cpu`
 * @property {"cpu" | "cuda" | "rocm"} variant what it can compute on besides the CPU
 * @property {"TORCHSIGHT_LIBTORCH" | "python" | "bundle" | "cache"} how what led to it
 */

/** A failure of installing or finding, with an error code and a way out. */
export class InstallError extends Error {
  /** @override */
  name = "InstallError";

  /**
   * @param {"LIBTORCH" | "UNSUPPORTED" | "NOT_FOUND" | "USAGE" | "INTERNAL"} code
   * @param {string} message
   * @param {string} remedy what the user can do about it
   */
  constructor(code, message, remedy) {
    super(`${message}. ${remedy}`);
    this.code = code;
    this.problem = message;
    this.remedy = remedy;
  }
}

/**
 * The folder for what this package downloads: `TORCHSIGHT_CACHE`, else the user's cache folder.
 *
 * @param {NodeJS.ProcessEnv} [env]
 * @param {NodeJS.Platform} [platform]
 * @returns {string}
 */
export function cacheFolder(env = process.env, platform = process.platform) {
  if (env.TORCHSIGHT_CACHE) return resolve(env.TORCHSIGHT_CACHE);
  if (platform === "darwin") return join(homedir(), "Library", "Caches", "torchsight");
  if (platform === "win32") {
    const local = env.LOCALAPPDATA || join(homedir(), "AppData", "Local");
    return join(local, "torchsight", "Cache");
  }
  return join(env.XDG_CACHE_HOME || join(homedir(), ".cache"), "torchsight");
}

/**
 * Where a variant of the pinned libtorch lies in the cache. NVIDIA's libraries of a CUDA variant
 * lie beside it, where libtorch's own run paths look for them.
 *
 * @param {string} variant `cpu` or a CUDA name such as `cu130`
 * @param {string} [cache]
 */
export function cachedLibtorch(variant, cache = cacheFolder()) {
  return join(cache, `libtorch-${PINNED_VERSION}-${variant}`, "torch");
}

/**
 * The library file of libtorch's CPU part inside `path`.
 *
 * @param {string} path
 * @param {string} [name]
 * @param {NodeJS.Platform} [platform]
 */
export function libraryFile(path, name = "torch_cpu", platform = process.platform) {
  if (platform === "win32") return join(path, "lib", `${name}.dll`);
  return join(path, "lib", `lib${name}${platform === "darwin" ? ".dylib" : ".so"}`);
}

/**
 * Finds libtorch: `TORCHSIGHT_LIBTORCH` (a folder, or `python` for the one of an installed torch),
 * then the folder of a bundle, then the cache.
 *
 * @param {{env?: NodeJS.ProcessEnv, bundle?: string | undefined}} [options]
 * @returns {Libtorch | undefined} nothing where none of the places has one
 * @throws {InstallError} where a place that was named has none, or one that is not supported
 */
export function findLibtorch({ env = process.env, bundle } = {}) {
  const named = env.TORCHSIGHT_LIBTORCH;
  if (named === "python") return describeLibtorch(pythonLibtorch(), "python");
  if (named) return describeLibtorch(namedLibtorch(resolve(named)), "TORCHSIGHT_LIBTORCH");
  if (bundle && existsSync(libraryFile(bundle))) return describeLibtorch(bundle, "bundle");
  const cache = cacheFolder(env);
  for (const variant of ["cu130", "cpu"]) {
    const path = cachedLibtorch(variant, cache);
    if (existsSync(libraryFile(path))) return describeLibtorch(path, "cache");
  }
  return undefined;
}

/**
 * As {@link findLibtorch}, for those who cannot do without.
 *
 * @param {{env?: NodeJS.ProcessEnv, bundle?: string | undefined}} [options]
 * @returns {Libtorch}
 */
export function requireLibtorch(options = {}) {
  const found = findLibtorch(options);
  if (found) return found;
  throw new InstallError(
    "LIBTORCH",
    `expected libtorch ${PINNED_VERSION} in ${cacheFolder(options.env)} but found none`,
    "Run `npx torchsight setup` to fetch it, or set TORCHSIGHT_LIBTORCH to a libtorch folder, " +
      "or to `python` for the one of an installed torch",
  );
}

/** @param {string} path */
function namedLibtorch(path) {
  // The folder itself, or the `site-packages` or unpacked archive that holds it.
  for (const candidate of [path, join(path, "torch"), join(path, "libtorch")]) {
    if (existsSync(libraryFile(candidate))) return candidate;
  }
  throw new InstallError(
    "LIBTORCH",
    `expected a folder with ${libraryFile("")} for TORCHSIGHT_LIBTORCH ` +
      `but received ${JSON.stringify(path)}`,
    "Name the folder that holds libtorch's lib/ and include/",
  );
}

/** The commands that may start Python here, the most likely first. */
export const PYTHON_COMMANDS =
  process.platform === "win32" ? [["py", "-3"], ["python"]] : [["python3"], ["python"]];

function pythonLibtorch() {
  // Only looks the package up; importing torch would take seconds.
  const code =
    "import importlib.util as u; s = u.find_spec('torch'); print(s.origin if s else '', end='')";
  for (const [command, ...args] of PYTHON_COMMANDS) {
    try {
      const stdio = /** @type {import("node:child_process").StdioOptions} */ ([
        "ignore",
        "pipe",
        "ignore",
      ]);
      const origin = execFileSync(/** @type {string} */ (command), [...args, "-c", code], {
        encoding: "utf8",
        stdio,
      });
      if (origin && existsSync(libraryFile(dirname(origin)))) return dirname(origin);
    } catch {
      // This Python is not there or does not start; the next one may.
    }
  }
  throw new InstallError(
    "LIBTORCH",
    "expected an installed torch for TORCHSIGHT_LIBTORCH=python but found none",
    "Install torch for the python3 on PATH, or unset TORCHSIGHT_LIBTORCH and run " +
      "`npx torchsight setup`",
  );
}

/**
 * @param {string} path
 * @param {Libtorch["how"]} how
 * @returns {Libtorch}
 */
function describeLibtorch(path, how) {
  const version = libtorchVersion(path);
  const minor = /^2\.(\d+)\./.exec(version)?.[1];
  if (!minor || +minor < SUPPORTED_MINORS.first || +minor > SUPPORTED_MINORS.last) {
    const range = `2.${SUPPORTED_MINORS.first} to 2.${SUPPORTED_MINORS.last}`;
    throw new InstallError(
      "LIBTORCH",
      `expected libtorch ${range} but found ${version || "an unknown version"} in ${path}`,
      `Unset TORCHSIGHT_LIBTORCH and run \`npx torchsight setup\` for ${PINNED_VERSION}`,
    );
  }
  return { path, version, variant: libtorchVariant(path), how };
}

/**
 * The version by the files that the various ways of packing libtorch leave; empty if none tells.
 *
 * @param {string} path
 * @returns {string}
 */
export function libtorchVersion(path) {
  const sources = /** @type {[string, RegExp][]} */ ([
    ["version.py", /^__version__ = '([^']+)'/m],
    ["build-version", /^(\S+)/],
    ["include/torch/headeronly/version.h", /define TORCH_VERSION\s*\\?\s*"([^"]+)"/],
    ["include/torch/csrc/api/include/torch/version.h", /define TORCH_VERSION\s*\\?\s*"([^"]+)"/],
  ]);
  for (const [file, pattern] of sources) {
    const full = join(path, file);
    const found = existsSync(full) && pattern.exec(readFileSync(full, "utf8"))?.[1];
    if (found) return found;
  }
  return "";
}

/**
 * @param {string} path
 * @returns {Libtorch["variant"]}
 */
function libtorchVariant(path) {
  if (existsSync(libraryFile(path, "torch_cuda"))) return "cuda";
  return existsSync(libraryFile(path, "torch_hip")) ? "rocm" : "cpu";
}
