/** Packages of programs that tests make by hand or change. */
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { unzip } from "../../lib/install/zip.js";
import { makeZip } from "../install/helpers.js";

/** Entries of an archive by name. */
export type Entries = Record<string, Buffer>;

/** Where a package keeps its default model. */
export const MODEL = "m/data/aotinductor/model/";

/** The least that makes a package, with a file that is no library. */
export function plainEntries(): Entries {
  return {
    "m/archive_format": Buffer.from("pt2"),
    "m/archive_version": Buffer.from("0"),
    [`${MODEL}a.wrapper.so`]: Buffer.from("not a library"),
    [`${MODEL}a.wrapper.cpp`]: Buffer.from(""),
    [`${MODEL}a.wrapper_metadata.json`]: Buffer.from('{"AOTI_DEVICE_KEY": "cpu"}'),
  };
}

/** All entries of a package, unpacked by way of `folder`. */
export async function readPackage(file: string, folder: string): Promise<Entries> {
  await unzip(file, folder, (name) => name);
  const names = readdirSync(folder, { recursive: true, encoding: "utf8" });
  const files = names.filter((name) => statSync(join(folder, name)).isFile());
  return Object.fromEntries(
    files.map((name) => [relative("", name), readFileSync(join(folder, name))]),
  );
}

/** Writes a package and gives its path back. */
export function writePackage(file: string, entries: Entries): string {
  writeFileSync(file, makeZip(entries));
  return file;
}
