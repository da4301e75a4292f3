/** Brings the peers into build/peers: PyTorch by pip, onnxruntime-node by npm. */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
export const peersFolder = join(root, "build", "peers");
export const scriptOf = (name: string) => join(root, "scripts", "peers", name);

const ONNXRUNTIME = "onnxruntime-node@1.30.0";

/** The Python of the peers; `TORCHSIGHT_PEERS_PYTHON` names one that has what they need. */
export function peersPython(): string {
  mkdirSync(peersFolder, { recursive: true });
  const given = process.env.TORCHSIGHT_PEERS_PYTHON;
  if (given) return given;
  const python = join(peersFolder, "venv", "bin", "python");
  if (!existsSync(python)) {
    run("python3", ["-m", "venv", join(peersFolder, "venv")]);
    run(python, ["-m", "pip", "install", "--quiet", "-r", scriptOf("requirements.txt")]);
  }
  return python;
}

/** The folder that onnxruntime-node is installed in. */
export function onnxruntimeFolder(): string {
  if (!existsSync(join(peersFolder, "node_modules", "onnxruntime-node"))) {
    mkdirSync(peersFolder, { recursive: true });
    writeFileSync(join(peersFolder, "package.json"), "{}\n");
    // Its install script would only fetch what CUDA needs.
    run("npm", ["install", "--ignore-scripts", "--no-audit", "--no-fund", ONNXRUNTIME]);
  }
  return peersFolder;
}

export function run(command: string, args: string[]): void {
  execFileSync(command, args, { cwd: peersFolder, stdio: ["ignore", 2, 2] });
}
