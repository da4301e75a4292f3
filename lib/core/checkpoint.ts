/** What a checkpoint holds, read from headers alone. */
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { TorchsightError } from "./errors.js";
import { callNative } from "./runtime.js";

/** A tensor in a file. */
export interface CheckpointTensor {
  name: string;
  dtype: string;
  shape: number[];
  /** Bytes that its elements take in the file. */
  bytes: number;
  /** Absolute path. */
  file: string;
}

/** All files of a checkpoint and their tensors. */
export interface Checkpoint {
  files: string[];
  tensors: CheckpointTensor[];
  metadata: Record<string, unknown>;
  /** Elements of all tensors together. */
  parameters: number;
}

/** Models that ship with the package. */
const ASSETS = fileURLToPath(new URL("../../assets/", import.meta.url));
const SINGLE = "model.safetensors";
const INDEX = "model.safetensors.index.json";

/**
 * The absolute path of a model: a folder or file as it stands, or a name in the package's assets.
 * Throws `NOT_FOUND`.
 */
export function resolveModel(pathOrName: string): string {
  const path = resolve(pathOrName);
  if (existsSync(path)) return path;
  const asset = join(ASSETS, pathOrName);
  if (/^[\w.-]+$/.test(pathOrName) && existsSync(join(asset, "config.json"))) return asset;
  throw new TorchsightError("NOT_FOUND", `there is no model ${pathOrName}`);
}

/** The absolute path of a file; throws `NOT_FOUND` where there is none. */
export function requireFile(path: string): string {
  const file = resolve(path);
  if (existsSync(file)) return file;
  throw new TorchsightError("NOT_FOUND", `there is no file ${path}`);
}

/**
 * The contents of the `config.json` in a model's folder, or beside its file; undefined without one.
 */
export function readConfig(path: string): unknown {
  const folder = statSync(path).isDirectory() ? path : dirname(path);
  const file = join(folder, "config.json");
  if (!existsSync(file)) return undefined;
  try {
    return JSON.parse(readFileSync(file, "utf8"));
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new TorchsightError("BAD_CONFIG", `expected JSON in ${file}: ${why}`, { cause: error });
  }
}

/**
 * The file that says where a model's weights are: a safetensors file, an index, or an npz. Throws
 * `BAD_CHECKPOINT` where a folder has none.
 */
export function weightsFile(path: string): string {
  if (!statSync(path).isDirectory()) return path;
  const npz = readdirSync(path).filter((name) => name.endsWith(".npz"));
  const names = [SINGLE, INDEX, ...(npz.length === 1 ? npz : [])];
  const found = names.find((name) => existsSync(join(path, name)));
  if (found !== undefined) return join(path, found);
  throw new TorchsightError(
    "BAD_CHECKPOINT",
    `expected ${SINGLE}, ${INDEX} or one npz file in ${path} but found no weights`,
    { reason: "NO_WEIGHTS" },
  );
}

/** Reads the headers of a safetensors file, an index with its shards, or an npz. */
export function openCheckpoint(file: string): Checkpoint {
  const found = JSON.parse(callNative((addon) => addon.inspect(file))) as Checkpoint;
  const absolute = (name: string) => resolve(dirname(file), name);
  return {
    ...found,
    files: found.files.map(absolute),
    tensors: found.tensors.map((tensor) => ({ ...tensor, file: absolute(tensor.file) })),
  };
}
