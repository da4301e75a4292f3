/** Files and folders of runs that take the place of older ones once they are whole. */
import { mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";

/** Writes a file that no reader ever sees half of. */
export function replaceFile(path: string, text: string): void {
  writeFileSync(`${path}.new`, text);
  renameSync(`${path}.new`, path);
}

/** Puts a folder that `fill` has filled in the place of the one at `path`; gives its path. */
export async function replaceFolder(
  path: string,
  fill: (fresh: string) => void | Promise<void>,
): Promise<string> {
  const fresh = join(dirname(path), `.${basename(path)}.new`);
  rmSync(fresh, { recursive: true, force: true });
  mkdirSync(fresh, { recursive: true });
  await fill(fresh);
  rmSync(path, { recursive: true, force: true });
  renameSync(fresh, path);
  return path;
}
