/** Reads zip archives such as Python wheels, with Node's built-in modules only. */
import { createReadStream, createWriteStream } from "node:fs";
import { mkdir, open } from "node:fs/promises";
import { dirname, join } from "node:path";
import { Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { crc32, createInflateRaw } from "node:zlib";
import { InstallError } from "./libtorch.js";

const END_SIGNATURE = 0x06054b50;
const ENTRY_SIGNATURE = 0x02014b50;
const LOCAL_SIGNATURE = 0x04034b50;
const END_SIZE = 22;
const MAX_COMMENT = 0xffff;

/**
 * @typedef {object} ZipEntry
 * @property {string} name
 * @property {number} method 0 stored, 8 deflated
 * @property {number} checksum CRC-32 of the content
 * @property {number} packed bytes in the archive
 * @property {number} size bytes of the content
 * @property {number} header offset of the local header
 */

/**
 * The entries of an archive by its central directory.
 *
 * @param {string} file
 * @returns {Promise<ZipEntry[]>}
 */
export async function zipEntries(file) {
  const handle = await open(file);
  try {
    const { size } = await handle.stat();
    const tail = Buffer.alloc(Math.min(size, END_SIZE + MAX_COMMENT));
    await handle.read(tail, 0, tail.length, size - tail.length);
    let end = tail.length - END_SIZE;
    while (end >= 0 && tail.readUInt32LE(end) !== END_SIGNATURE) end--;
    if (end < 0) throw badZip(file, "no end of central directory");
    const count = tail.readUInt16LE(end + 10);
    const bytes = tail.readUInt32LE(end + 12);
    const offset = tail.readUInt32LE(end + 16);
    if (count === 0xffff || offset === 0xffffffff) throw badZip(file, "zip64, which is not read");
    if (offset + bytes > size) throw badZip(file, "a central directory beyond its end");
    const directory = Buffer.alloc(bytes);
    await handle.read(directory, 0, bytes, offset);
    return readDirectory(file, directory, count);
  } finally {
    await handle.close();
  }
}

/**
 * @param {string} file
 * @param {Buffer} directory
 * @param {number} count
 * @returns {ZipEntry[]}
 */
function readDirectory(file, directory, count) {
  /** @type {ZipEntry[]} */
  const entries = [];
  for (let at = 0; entries.length < count; ) {
    if (at + 46 > directory.length || directory.readUInt32LE(at) !== ENTRY_SIGNATURE) {
      throw badZip(file, "a broken central directory");
    }
    const nameLength = directory.readUInt16LE(at + 28);
    entries.push({
      name: directory.toString("utf8", at + 46, at + 46 + nameLength),
      method: directory.readUInt16LE(at + 10),
      checksum: directory.readUInt32LE(at + 16),
      packed: directory.readUInt32LE(at + 20),
      size: directory.readUInt32LE(at + 24),
      header: directory.readUInt32LE(at + 42),
    });
    at += 46 + nameLength + directory.readUInt16LE(at + 30) + directory.readUInt16LE(at + 32);
  }
  return entries;
}

/**
 * Writes the entries that `place` gives a path inside `folder` for. Checksums are verified.
 *
 * @param {string} file
 * @param {string} folder
 * @param {(name: string) => string | undefined} place
 * @returns {Promise<number>} how many files were written
 */
export async function unzip(file, folder, place) {
  let written = 0;
  for (const entry of await zipEntries(file)) {
    const path = entry.name.endsWith("/") ? undefined : place(entry.name);
    if (path === undefined) continue;
    if (path.split(/[/\\]/).includes("..")) throw badZip(file, `an entry named ${entry.name}`);
    const target = join(folder, path);
    await mkdir(dirname(target), { recursive: true });
    await extract(file, entry, target);
    written++;
  }
  return written;
}

/**
 * @param {string} file
 * @param {ZipEntry} entry
 * @param {string} target
 */
async function extract(file, entry, target) {
  const handle = await open(file);
  const local = Buffer.alloc(30);
  await handle.read(local, 0, local.length, entry.header);
  await handle.close();
  if (local.readUInt32LE(0) !== LOCAL_SIGNATURE || ![0, 8].includes(entry.method)) {
    throw badZip(file, `an unreadable entry ${entry.name}`);
  }
  const start = entry.header + 30 + local.readUInt16LE(26) + local.readUInt16LE(28);
  let checksum = 0;
  let size = 0;
  const check = new Transform({
    transform(chunk, _encoding, done) {
      checksum = crc32(chunk, checksum);
      size += chunk.length;
      done(size > entry.size ? badZip(file, `too long an entry ${entry.name}`) : null, chunk);
    },
  });
  // The range of an empty entry would be the whole file for a read stream.
  const end = start + Math.max(entry.packed, 1) - 1;
  const source = entry.packed === 0 ? emptySource() : createReadStream(file, { start, end });
  if (entry.method === 0) await pipeline(source, check, createWriteStream(target));
  else await pipeline(source, createInflateRaw(), check, createWriteStream(target));
  if (checksum !== entry.checksum || size !== entry.size) {
    throw badZip(file, `a damaged entry ${entry.name}`);
  }
}

async function* emptySource() {}

/**
 * @param {string} file
 * @param {string} problem
 */
function badZip(file, problem) {
  const message = `expected a zip archive for ${file} but found ${problem}`;
  return new InstallError("LIBTORCH", message, "Delete it and try again");
}
