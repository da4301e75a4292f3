// The npm packages that package-lock.json names.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { log, root, run } from "../shared.mjs";

/** Installs them unless `node_modules` agrees with the lock file. */
export async function installPackages() {
  if (agrees()) return;
  log("installing the npm packages");
  const npm = process.env.npm_execpath;
  // Under npm its own script is known; a shell finds npm.cmd on Windows.
  const [command, first] = npm ? [process.execPath, [npm]] : ["npm", []];
  const options = { shell: !npm && process.platform === "win32" };
  await run(command, [...first, "ci", "--no-audit", "--no-fund"], options);
}

function agrees() {
  const installed = join(root, "node_modules", ".package-lock.json");
  if (!existsSync(installed)) return false;
  const wanted = packagesOf(join(root, "package-lock.json"));
  const present = packagesOf(installed);
  return Object.entries(wanted).every(([name, { version, optional, peer }]) => {
    // Packages for other platforms are in the lock file only.
    if (!present[name]) return name === "" || optional === true || peer === true;
    return present[name].version === version;
  });
}

function packagesOf(lockFile) {
  return JSON.parse(readFileSync(lockFile, "utf8")).packages;
}
