/** Brings the peers into build/peers: PyTorch by pip, what runs on Node.js by npm. */
import { execFileSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
export const peersFolder = join(root, "build", "peers");
export const scriptOf = (name: string) => join(root, "scripts", "peers", name);

/** Versions of the packages of npm that are compared with. */
const PACKAGES = { "onnxruntime-node": "1.30.0", "@huggingface/transformers": "4.3.1" } as const;

const contents = (file: string) => (existsSync(file) ? readFileSync(file, "utf8") : undefined);

/** The Python of the peers; `TORCHSIGHT_PEERS_PYTHON` names one that has what they need. */
export function peersPython(): string {
  mkdirSync(peersFolder, { recursive: true });
  const given = process.env.TORCHSIGHT_PEERS_PYTHON;
  if (given) return given;
  const venv = join(peersFolder, "venv");
  const python = join(venv, "bin", "python");
  const wanted = scriptOf("requirements.txt");
  const installed = join(venv, "requirements.txt");
  if (contents(installed) !== contents(wanted)) {
    if (!existsSync(python)) run("python3", ["-m", "venv", venv]);
    run(python, ["-m", "pip", "install", "--quiet", "-r", wanted]);
    copyFileSync(wanted, installed);
  }
  return python;
}

/** The folder that a package of npm is installed in. */
export function packageFolder(name: keyof typeof PACKAGES): string {
  const version = PACKAGES[name];
  const found = contents(join(peersFolder, "node_modules", name, "package.json"));
  if (found === undefined || JSON.parse(found).version !== version) {
    mkdirSync(peersFolder, { recursive: true });
    const manifest = join(peersFolder, "package.json");
    if (!existsSync(manifest)) writeFileSync(manifest, "{}\n");
    // Install scripts would only fetch what CUDA needs.
    const options = ["--ignore-scripts", "--no-audit", "--no-fund"];
    run("npm", ["install", ...options, `${name}@${version}`]);
  }
  return peersFolder;
}

/**
 * A folder of build/peers with what `make` puts there. It is made again only where `recipe`, all
 * that the contents depend on, has changed.
 */
export async function made(
  name: string,
  recipe: object,
  make: (folder: string) => unknown,
): Promise<string> {
  const folder = join(peersFolder, name);
  const stamp = join(folder, "made-of.json");
  const text = JSON.stringify(recipe);
  if (contents(stamp) !== text) {
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { recursive: true });
    await make(folder);
    writeFileSync(stamp, text);
  }
  return folder;
}

export function run(command: string, args: string[]): void {
  execFileSync(command, args, { cwd: peersFolder, stdio: ["ignore", 2, 2] });
}
