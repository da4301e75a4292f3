/** What a checkpoint holds, read from headers alone. */
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { TorchsightError } from "./errors.js";
import {
  completeSnapshot,
  INDEX_FILE,
  parseHubName,
  SHARDS_FILE,
  WEIGHTS_FILE,
} from "./hub-cache.js";
import { callNative } from "./runtime.js";

/** A part of a tensor that was saved by several ranks. */
export interface TensorPiece {
  /** Absolute path. There the piece has the tensor's name. */
  file: string;
  /** Its entries of the cut dimension. */
  begin: number;
  length: number;
}

/** A tensor in a file, or in pieces in several. */
export interface CheckpointTensor {
  name: string;
  dtype: string;
  shape: number[];
  /** Bytes that its elements take in the file. */
  bytes: number;
  /** Absolute path; of a tensor in pieces, that of the manifest. */
  file: string;
  /** The dimension that `pieces` divide. */
  cut?: number;
  /** In order and without gaps. */
  pieces?: TensorPiece[];
}

/** All files of a checkpoint and their tensors. */
export interface Checkpoint {
  files: string[];
  tensors: CheckpointTensor[];
  metadata: Record<string, unknown>;
  /** The model's config, where ranks have saved it with their manifest. */
  config?: unknown;
  /** Elements of all tensors together. */
  parameters: number;
}

/** Models that ship with the package. */
const ASSETS = fileURLToPath(new URL("../../assets/", import.meta.url));

/** What a folder of `ASSETS` has that is a model: one network, or a cascade of them. */
const MODEL_FILES = ["config.json", "cascade.json"];

/**
 * The absolute path of a model: a folder or file as it stands, else a name in the package's assets,
 * else `org/name` or `org/name@revision` in the hub's cache. Throws `NOT_FOUND` with what to do.
 */
export function resolveModel(pathOrName: string): string {
  const path = resolve(pathOrName);
  if (existsSync(path)) return path;
  const asset = join(ASSETS, pathOrName);
  const isModel = MODEL_FILES.some((file) => existsSync(join(asset, file)));
  if (/^[\w.-]+$/.test(pathOrName) && isModel) return asset;
  const hub = parseHubName(pathOrName);
  if (hub) return completeSnapshot(hub);
  throw new TorchsightError("NOT_FOUND", `there is no model ${pathOrName}`);
}

/** The absolute path of a file; throws `NOT_FOUND` where there is none. */
export function requireFile(path: string): string {
  const file = resolve(path);
  if (existsSync(file)) return file;
  throw new TorchsightError("NOT_FOUND", `there is no file ${path}`);
}

/** The folder of a model that is given as a folder or as a file of weights. */
export function folderOf(path: string): string {
  return statSync(path).isDirectory() ? path : dirname(path);
}

/**
 * The contents of the `config.json`, or of another JSON file, in a model's folder or beside its
 * file; undefined without one.
 */
export function readConfig(path: string, name = "config.json"): unknown {
  const file = join(folderOf(path), name);
  if (!existsSync(file)) return undefined;
  try {
    return JSON.parse(readFileSync(file, "utf8"));
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new TorchsightError("BAD_CONFIG", `expected JSON in ${file}: ${why}`, { cause: error });
  }
}

/** Whether that is the name of a package of compiled programs. */
export function isProgram(path: string): boolean {
  return path.endsWith(".pt2");
}

/**
 * The file that says where a model's weights are: the manifest of a save by ranks, a safetensors
 * file, an index, or an npz. Throws `BAD_CHECKPOINT` where a folder has none, `UNSUPPORTED` for
 * programs.
 */
export function weightsFile(path: string): string {
  if (isProgram(path)) {
    const what = `expected weights but received a compiled program in ${path}`;
    throw new TorchsightError("UNSUPPORTED", `${what}; open it with Program.load`);
  }
  if (!statSync(path).isDirectory()) return path;
  const npz = readdirSync(path).filter((name) => name.endsWith(".npz"));
  const names = [SHARDS_FILE, WEIGHTS_FILE, INDEX_FILE, ...(npz.length === 1 ? npz : [])];
  const found = names.find((name) => existsSync(join(path, name)));
  if (found !== undefined) return join(path, found);
  throw new TorchsightError(
    "BAD_CHECKPOINT",
    `expected ${WEIGHTS_FILE}, ${INDEX_FILE}, ${SHARDS_FILE} or one npz file in ${path} but ` +
      "found no weights",
    { reason: "NO_WEIGHTS" },
  );
}

/** Reads the headers of a safetensors file, an npz, an index or a manifest with its shards. */
export function openCheckpoint(file: string): Checkpoint {
  const found = JSON.parse(callNative((addon) => addon.inspect(file))) as Checkpoint;
  const absolute = (name: string) => resolve(dirname(file), name);
  return {
    ...found,
    files: found.files.map(absolute),
    tensors: found.tensors.map((tensor) => ({
      ...tensor,
      file: absolute(tensor.file),
      ...(tensor.pieces && {
        pieces: tensor.pieces.map((piece) => ({ ...piece, file: absolute(piece.file) })),
      }),
    })),
  };
}
