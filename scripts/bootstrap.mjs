// Makes a fresh clone ready: npm runs this before `npm run demo`, `npm test` and others.
// `node scripts/bootstrap.mjs [packages] [libtorch] [native] [ts]` does all, or the steps named.
import { readFileSync } from "node:fs";
import process from "node:process";

const STEPS = ["packages", "libtorch", "native", "ts"];

const packageFile = new URL("../package.json", import.meta.url);
const needed = JSON.parse(readFileSync(packageFile, "utf8")).engines.node;
const [major, minor] = needed.match(/\d+/g).map(Number);
const [ownMajor, ownMinor] = process.versions.node.split(".").map(Number);
const steps = process.argv.length > 2 ? process.argv.slice(2) : STEPS;
const unknown = steps.filter((step) => !STEPS.includes(step));

if (ownMajor < major || (ownMajor === major && ownMinor < minor)) {
  fail(`expected Node.js ${needed} but this is ${process.versions.node}: see https://nodejs.org`);
} else if (unknown.length > 0) {
  fail(`expected steps among ${STEPS.join(", ")} but received ${unknown.join(", ")}`);
} else {
  // Only now, since an older Node could not even read what follows.
  const { bootstrap } = await import("./steps/all.mjs");
  await bootstrap(steps).catch((error) => {
    const expected = error.name === "Stop" || error.name === "InstallError";
    fail(expected ? error.message : error.stack);
  });
}

function fail(message) {
  process.stderr.write(`[torchsight] ${message}\n`);
  process.exitCode = 1;
}
