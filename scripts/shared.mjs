// What the scripts share. Node's built-in modules only: these run before anything is installed.
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";

export const root = dirname(dirname(fileURLToPath(import.meta.url)));
/** Build trees and stamps. Not `build/`, which node-gyp empties whenever it runs. */
export const work = join(root, ".cache");

/** Progress of the scripts; stdout is for results. */
export function log(line) {
  process.stderr.write(`[torchsight] ${line}\n`);
}

/** A failure that the user can do something about: shown without a stack trace. */
export class Stop extends Error {
  name = "Stop";
}

/**
 * Runs a command with its output on stderr.
 * @returns {Promise<void>} rejected with a {@link Stop} where it fails
 */
export async function run(command, args, options = {}) {
  const code = await status(command, args, { stdio: ["ignore", 2, 2], ...options });
  const words = [basename(command), ...args].slice(0, 6).join(" ");
  if (code !== 0) throw new Stop(`\`${words}\` failed with ${code}`);
}

/** Runs a command and tells its exit code, or the signal that ended it. */
export function status(command, args, options = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: root, ...options });
    child.on("error", reject);
    child.on("close", (code, signal) => resolve(code ?? signal));
  });
}

/** Runs a command, passes its output on to stderr, and returns what it wrote to stdout. */
export function capture(command, args, { onOutput, ...options } = {}) {
  return new Promise((resolve, reject) => {
    const stdio = ["ignore", "pipe", "inherit"];
    const child = spawn(command, args, { cwd: root, stdio, ...options });
    let output = "";
    child.stdout.setEncoding("utf8").on("data", (text) => {
      output += text;
      onOutput?.(text);
    });
    child.on("error", reject);
    child.on("close", (code, signal) => resolve({ output, code: code ?? signal }));
  });
}

/** The JavaScript file behind a package's command, to be run by this Node on every platform. */
export function packageBin(name, command = name) {
  const folder = join(root, "node_modules", name);
  const { bin } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  return join(folder, typeof bin === "string" ? bin : bin[command]);
}

/** Whether a command can be started. */
export async function works(command, ...args) {
  const quiet = { stdio: "ignore" };
  return (await status(command, args, quiet).catch(() => -1)) === 0;
}

/** All files under `paths`, sorted, as paths from the root. */
export function filesUnder(...paths) {
  const found = [];
  const visit = (path) => {
    const entries = readdirSync(path, { withFileTypes: true });
    for (const entry of entries) {
      const full = join(path, entry.name);
      if (entry.isDirectory()) visit(full);
      else found.push(relative(root, full));
    }
  };
  for (const path of paths) {
    const full = join(root, path);
    if (!existsSync(full)) continue;
    if (/\.\w+$/.test(path)) found.push(path);
    else visit(full);
  }
  return found.sort();
}

/** A digest of the files' names and contents and of further facts. */
export function digest(files, ...facts) {
  const hash = createHash("sha1").update(JSON.stringify(facts));
  for (const file of files) hash.update(`\0${file}\0`).update(readFileSync(join(root, file)));
  return hash.digest("hex");
}

/**
 * Runs `step` unless it already succeeded with the same digest and its outputs are still there.
 * @returns {Promise<boolean>} whether it ran
 */
export async function unlessUnchanged(name, current, outputs, step) {
  const stamp = join(work, `${name}.stamp`);
  const fresh = existsSync(stamp) && readFileSync(stamp, "utf8") === current;
  if (fresh && outputs.every((output) => existsSync(join(root, output)))) return false;
  rmSync(stamp, { force: true });
  await step();
  mkdirSync(work, { recursive: true });
  writeFileSync(stamp, current);
  return true;
}
