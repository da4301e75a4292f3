/** A lock between processes, kept as a file that names its holder. */
import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

/**
 * Runs `work` while no other process runs under the same lock file. The lock of a process that
 * has died is taken over.
 *
 * @template T
 * @param {string} file
 * @param {() => Promise<T>} work
 * @param {(holder: number) => void} [waiting] told once when another process has to be awaited
 * @returns {Promise<T>}
 */
export async function withLock(file, work, waiting) {
  mkdirSync(dirname(file), { recursive: true });
  for (let told = false; !take(file); ) {
    const holder = holderOf(file);
    if (holder === undefined) continue;
    if (!alive(holder)) {
      breakLock(file, holder);
      continue;
    }
    if (!told) waiting?.(holder);
    told = true;
    await sleep(200);
  }
  const free = () => rmSync(file, { force: true });
  process.once("exit", free);
  try {
    return await work();
  } finally {
    process.off("exit", free);
    free();
  }
}

/**
 * Linking makes the file appear with its content, so nobody ever sees a lock without a holder.
 *
 * @param {string} file
 */
function take(file) {
  const own = `${file}.${process.pid}`;
  writeFileSync(own, String(process.pid));
  try {
    linkSync(own, file);
    return true;
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code === "EEXIST") return false;
    throw error;
  } finally {
    rmSync(own, { force: true });
  }
}

/**
 * @param {string} file
 * @returns {number | undefined} nothing where the lock has just been freed
 */
function holderOf(file) {
  try {
    return Number.parseInt(readFileSync(file, "utf8"), 10);
  } catch {
    return undefined;
  }
}

/**
 * Moves the lock of a dead holder away. Another process may have done so and taken the lock in the
 * meantime: what was moved is looked at, and goes back if it is not the dead one's.
 *
 * @param {string} file
 * @param {number} holder
 */
function breakLock(file, holder) {
  const moved = `${file}.broken.${process.pid}`;
  try {
    renameSync(file, moved);
    if (holderOf(moved) === holder) rmSync(moved);
    else renameSync(moved, file);
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code !== "ENOENT") throw error;
  }
}

/** @param {number} pid */
function alive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // A process of another user exists as well.
    return /** @type {NodeJS.ErrnoException} */ (error).code === "EPERM";
  }
}
