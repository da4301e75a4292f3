/** Where the files of the native side lie. */
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { TorchsightError } from "../core/errors.js";

/** The files that were built or came as a prebuild. */
export interface NativeFiles {
  loader: string;
  addon: string;
  worker: string;
}

const packageRoot = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/** Where builds are looked for: the bundle that `TORCHSIGHT_PREBUILD` names, or this package. */
export function nativeRoot(): string {
  return process.env.TORCHSIGHT_PREBUILD || packageRoot;
}

/** The libtorch of a bundle; most packages have none. */
export function bundledLibtorch(): string {
  return join(nativeRoot(), "libtorch");
}

/**
 * Finds the loader as node-gyp-build does, and what lies beside it.
 *
 * @throws TorchsightError `NOT_FOUND` where nothing was built for this platform
 */
export function nativeFiles(): NativeFiles {
  const require = createRequire(import.meta.url);
  const { resolve } = require("node-gyp-build") as { resolve(folder: string): string };
  try {
    const loader = resolve(packageRoot);
    const folder = join(dirname(loader), "native");
    const worker = process.platform === "win32" ? "torchsight-worker.exe" : "torchsight-worker";
    return {
      loader,
      addon: join(folder, "torchsight_core.node"),
      worker: join(folder, worker),
    };
  } catch (cause) {
    const platform = `${process.platform}-${process.arch}`;
    const message =
      `expected an addon for ${platform} in ${nativeRoot()} but found none. ` +
      "There is no prebuilt one for this platform, or the package is incomplete; " +
      "in a clone, run `npm run build`";
    throw new TorchsightError("NOT_FOUND", message, { cause });
  }
}
