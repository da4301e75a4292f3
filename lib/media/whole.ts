/** Files and folders that appear under their names once they are whole. */
import { randomUUID } from "node:crypto";
import { rename, rm } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { TorchsightError } from "../core/errors.js";

/** Where what is to be at `path` grows: beside it, hidden. */
export function partialOf(path: string): string {
  return resolve(join(dirname(path), `.${basename(path)}.${randomUUID()}.part`));
}

/** Puts what has grown under its name; removes it, and throws `BAD_INPUT`, where that fails. */
export async function publish(partial: string, path: string): Promise<void> {
  await rename(partial, path).catch(async (cause: Error) => {
    await removePartial(partial);
    const message = `expected a file that can be written for ${path}: ${cause.message}`;
    throw new TorchsightError("BAD_INPUT", message, { cause });
  });
}

/** Removes what will not become whole. */
export async function removePartial(partial: string): Promise<void> {
  await rm(partial, { recursive: true, force: true });
}

/** What systems and programs say where a disk, a quota or a limit of file sizes is full. */
const FULL = /no space left|file too large|quota exceeded|ENOSPC|EFBIG|EDQUOT|SIGXFSZ/i;

/** The reason of failures to write of which `text` tells. */
export function spaceReason(text: string): "NO_SPACE" | undefined {
  return FULL.test(text) ? "NO_SPACE" : undefined;
}
