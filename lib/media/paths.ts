/** Checks of the paths that users give. */
import type { Stats } from "node:fs";
import { access, constants, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { TorchsightError } from "../core/errors.js";

/**
 * Makes sure that `path` is a file that can be read and is not empty.
 *
 * @param what - what the file should be, for the message
 * @throws `NOT_FOUND` where nothing is there, `BAD_INPUT` for a folder or what may not be read.
 */
export async function requireFile(path: string, what: string): Promise<void> {
  const received = (value: string) =>
    new TorchsightError("BAD_INPUT", `expected ${what} for ${path} but received ${value}`);
  const stats = await statOf(path);
  if (stats.isDirectory()) throw received("a folder");
  if (!stats.isFile()) throw received("a device or pipe");
  if (stats.size === 0) throw received("an empty file");
  await access(path, constants.R_OK).catch(() => {
    throw received("a file that may not be read");
  });
}

/** What lies at `path`. Throws `NOT_FOUND` where nothing does. */
export async function statOf(path: string): Promise<Stats> {
  try {
    return await stat(path);
  } catch (cause) {
    throw new TorchsightError("NOT_FOUND", `there is no file ${path}`, { cause });
  }
}

/** Makes sure that the folder that `path` is to be written to is there; else `NOT_FOUND`. */
export async function requireFolderOf(path: string): Promise<void> {
  const folder = dirname(path);
  await access(folder).catch((cause) => {
    throw new TorchsightError("NOT_FOUND", `there is no folder ${folder}`, { cause });
  });
}
