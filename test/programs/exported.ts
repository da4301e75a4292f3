/** Programs exported by Python, where it has PyTorch of our minor and a compiler. */
import { execFileSync, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { arch, release } from "node:os";
import { join } from "node:path";
import { PINNED_VERSION, PYTHON_COMMANDS } from "../../lib/install/libtorch.js";
import { root } from "../install/helpers.js";

const SCRIPT = join(root, "test", "programs", "export.py");
const PAGE = join(root, "docs", "programs.md");
const WORK = join(root, ".cache", "programs");
/** Reads the version without importing torch, which would take seconds. */
const VERSION = "from importlib.metadata import version; print(version('torch'))";

interface Exporter {
  python: string[];
  version: string;
}

/** The Python that can export, or why there is none. */
function findExporter(): Exporter | string {
  if (process.platform === "win32") return "programs have never been run on Windows";
  const minor = (version: string) => version.split(".").slice(0, 2).join(".");
  const compilers = [process.env.CXX, "g++", "clang++"].filter((name) => name !== undefined);
  if (!compilers.some((name) => spawnSync(name, ["--version"]).status === 0)) {
    return "there is no C++ compiler";
  }
  for (const [command = "", ...words] of PYTHON_COMMANDS) {
    const { status, stdout } = spawnSync(command, [...words, "-c", VERSION], { encoding: "utf8" });
    const version = status === 0 ? stdout.trim() : "";
    if (minor(version) === minor(PINNED_VERSION)) return { python: [command, ...words], version };
  }
  return `no Python here has torch ${minor(PINNED_VERSION)}`;
}

const exporter = findExporter();

/** Why nothing can be exported here; undefined where it can. */
export const lacking = typeof exporter === "string" ? exporter : undefined;

/**
 * The folder of the packages that `export.py` makes. They are made once for each version of the
 * script, the page and PyTorch, since that takes most of a minute.
 */
export function exportedPrograms(): string {
  if (typeof exporter === "string") throw new Error(exporter);
  const { python, version } = exporter;
  const key = createHash("sha256").update(readFileSync(SCRIPT)).update(readFileSync(PAGE));
  key.update(`${version} ${arch()} ${release()}`);
  const folder = join(WORK, key.digest("hex").slice(0, 16));
  if (existsSync(folder)) return folder;
  mkdirSync(WORK, { recursive: true });
  const making = `${folder}.${process.pid}`;
  const env = { ...process.env, TORCHINDUCTOR_CACHE_DIR: join(WORK, "inductor") };
  const [command = "", ...words] = python;
  try {
    execFileSync(command, [...words, SCRIPT, making], { env, stdio: ["ignore", "ignore", "pipe"] });
    renameSync(making, folder);
  } finally {
    rmSync(making, { recursive: true, force: true });
  }
  return folder;
}
