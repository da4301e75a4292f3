/**
 * The only door to native code: finds the loader, libtorch and the addon, and opens them in that
 * order. Nothing here runs before the first call that needs libtorch.
 */
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { type ErrorCode, isErrorCode, TorchsightError } from "../core/errors.js";
import { InstallError, type Libtorch, libraryFile, requireLibtorch } from "../install/libtorch.js";
import type { Addon } from "./addon.js";
import { bundledLibtorch, type NativeFiles, nativeFiles } from "./paths.js";

/** The files that make up the native side, and the libtorch they run on. */
export interface NativePaths extends NativeFiles {
  libtorch: Libtorch;
}

/** The loader addon, which knows nothing of libtorch but how to map it. */
interface Loader {
  /** The minor of libtorch that the addon was compiled against, e.g. `2.13`. */
  builtFor: string;
  /** Maps a library for the rest of the process; throws with the system's words. */
  map(path: string): void;
  /** The version of the libtorch that is mapped. */
  abiVersion(): [number, number, number] | null;
}

const require = createRequire(import.meta.url);

let opened: Addon | undefined;

/**
 * The addon, opened at the first call. Each worker thread opens its own.
 *
 * @throws TorchsightError `LIBTORCH` where libtorch is missing or does not fit the addon, and
 * `NOT_FOUND` where no addon was built for this platform.
 */
export function addon(): Addon {
  opened ??= open();
  return opened;
}

/** Where the native side lies. Throws as {@link addon} does, but opens nothing. */
export function nativePaths(): NativePaths {
  const files = nativeFiles();
  return { ...files, libtorch: rethrow(() => requireLibtorch({ bundle: bundledLibtorch() })) };
}

/** The environment in which the worker executable finds the same libtorch. */
export function workerEnvironment(libtorch: Libtorch): NodeJS.ProcessEnv {
  const variable = { darwin: "DYLD_LIBRARY_PATH", win32: "PATH" }[process.platform as string];
  const name = variable ?? "LD_LIBRARY_PATH";
  const separator = process.platform === "win32" ? ";" : ":";
  const before = process.env[name];
  const folder = join(libtorch.path, "lib");
  return { ...process.env, [name]: before ? folder + separator + before : folder };
}

function open(): Addon {
  const paths = nativePaths();
  const loader = require(paths.loader) as Loader;
  mapLibtorch(loader, paths.libtorch);
  checkVersion(loader, paths.libtorch);
  try {
    return require(paths.addon) as Addon;
  } catch (cause) {
    const why = existsSync(paths.addon) ? (cause as Error).message : "there is no such file";
    const message = `expected to load ${paths.addon} but failed: ${why}`;
    throw new TorchsightError("LIBTORCH", message, { cause });
  }
}

function mapLibtorch(loader: Loader, { path, variant }: Libtorch): void {
  for (const name of ["c10", "torch_cpu"]) {
    rethrow(() => loader.map(libraryFile(path, name)));
  }
  // The addon asks libtorch at run time what it can compute on; it can do so much without these.
  if (variant === "cpu" || process.env.TORCHSIGHT_DEVICE === "cpu") return;
  const suffix = variant === "rocm" ? "hip" : "cuda";
  for (const name of [`c10_${suffix}`, `torch_${suffix}`]) {
    try {
      loader.map(libraryFile(path, name));
    } catch (error) {
      process.emitWarning(`the GPU cannot be used: ${(error as Error).message}`, "Torchsight");
      return;
    }
  }
}

/** Refuses a libtorch of another minor, whose C++ interface differs, before anything can crash. */
function checkVersion(loader: Loader, libtorch: Libtorch): void {
  const version = loader.abiVersion();
  const found = version ? `${version[0]}.${version[1]}` : "one that does not tell its version";
  if (found === loader.builtFor) return;
  throw new TorchsightError(
    "LIBTORCH",
    `expected libtorch ${loader.builtFor} for this addon but found ${found} in ${libtorch.path} ` +
      `(by ${libtorch.how}). Run \`npx torchsight setup\` and unset TORCHSIGHT_LIBTORCH, ` +
      "or build the addon for it: `npm run build` in a clone",
  );
}

/** Failures of installing and of the system as the error class of this package. */
function rethrow<T>(work: () => T): T {
  try {
    return work();
  } catch (cause) {
    if (cause instanceof TorchsightError) throw cause;
    const { message } = cause as Error;
    const named = cause instanceof InstallError ? cause.code : "LIBTORCH";
    const code: ErrorCode = isErrorCode(named) ? named : "LIBTORCH";
    throw new TorchsightError(code, message, { cause });
  }
}
