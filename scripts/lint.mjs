// Every check that reads the sources: format, lint, types, the package's entry points, budgets.
// `--fix` formats instead.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { filesUnder, log, packageBin, root, run, Stop, works } from "./shared.mjs";

const CLANG_FORMAT_MAJOR = 15;
const MAX_LINES = 600;
const MAX_COLUMNS = 100;

const fix = process.argv.includes("--fix");
const node = (name, command, ...args) =>
  run(process.execPath, [packageBin(name, command), ...args]);

const CHECKS = {
  biome: () => node("@biomejs/biome", "biome", "check", "--error-on-warnings", "."),
  "clang-format": () => clangFormat("--dry-run", "-Werror"),
  tsc: () => node("typescript", "tsc", "-p", root, "--noEmit"),
  "tsc (tests)": () => node("typescript", "tsc", "-p", join(root, "tsconfig.test.json")),
  publint: () => node("publint", "publint", "--strict"),
  budgets: checkBudgets,
};
const FIXES = {
  biome: () => node("@biomejs/biome", "biome", "check", "--write", "."),
  "clang-format": () => clangFormat("-i"),
};

const failed = [];
for (const [name, check] of Object.entries(fix ? FIXES : CHECKS)) {
  try {
    await check();
    log(`${name}: good`);
  } catch (error) {
    if (!(error instanceof Stop)) throw error;
    log(`${name}: ${error.message}`);
    failed.push(name);
  }
}
if (failed.length > 0) {
  log(`lint failed: ${failed.join(", ")}`);
  process.exitCode = 1;
}

async function clangFormat(...mode) {
  const sources = filesUnder("native").filter((file) => /\.(h|cc|cu)$/.test(file));
  await run(await findClangFormat(), [...mode, ...sources]);
}

/** The binary of the pinned npm package, or the same version on PATH where it has none. */
async function findClangFormat() {
  const folder = { linux: "linux_x64", darwin: "darwin_x64", win32: "win32" }[process.platform];
  const suffix = process.platform === "win32" ? ".exe" : "";
  const packaged = join(root, `node_modules/clang-format/bin/${folder}/clang-format${suffix}`);
  if (await works(packaged, "--version")) return packaged;
  const onPath = `clang-format-${CLANG_FORMAT_MAJOR}`;
  if (await works(onPath, "--version")) return onPath;
  throw new Stop(
    `expected clang-format ${CLANG_FORMAT_MAJOR}; the npm package has none that runs on ` +
      `${process.platform}-${process.arch}, and ${onPath} is not on PATH. Other versions ` +
      "format differently",
  );
}

/** Files one can read in a sitting, and lines that fit side by side. */
function checkBudgets() {
  const problems = [];
  for (const file of filesUnder("lib", "native", "scripts", "test", "examples")) {
    if (!/\.(ts|js|mjs|h|cc|cu)$/.test(file) || /\.generated\.|fixtures|node_modules/.test(file)) {
      continue;
    }
    const lines = readFileSync(join(root, file), "utf8").split("\n");
    if (lines.length > MAX_LINES) problems.push(`${file} has ${lines.length} lines`);
    lines.forEach((line, index) => {
      if ([...line].length > MAX_COLUMNS) problems.push(`${file}:${index + 1} is too long`);
    });
  }
  if (problems.length > 0) throw new Stop(problems.join("\n  "));
}
