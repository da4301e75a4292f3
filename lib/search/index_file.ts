/** The file of an index: `embeddings`, float32 [N, E] of unit length; entries in its metadata. */
import { openCheckpoint, requireFile } from "../core/checkpoint.js";
import type { Steps } from "../core/compose.js";
import { TorchsightError } from "../core/errors.js";
import { readTensors, writeTensors } from "../core/files.js";
import { tidy } from "../core/scope.js";
import type { Tensor } from "../core/tensor.js";
import { type IndexEntry, isEntry } from "./entries.js";
import { lengthOf } from "./vectors.js";

const FORMAT = "torchsight embedding index";

/** How far from 1 the length of a vector may be that was divided by its length. */
const ROUNDING = 1e-3;

/** Writes an index. */
export async function writeIndex(
  file: string,
  entries: readonly IndexEntry[],
  embeddings: Tensor,
  steps: Steps,
): Promise<void> {
  const metadata = { format: FORMAT, entries: JSON.stringify(entries) };
  await steps.run(writeTensors(file, { embeddings }, { metadata, ...steps.control }));
}

/** Reads an index. Throws `NOT_FOUND` and `BAD_CHECKPOINT`. */
export async function readIndex(
  file: string,
  steps: Steps,
): Promise<{ entries: IndexEntry[]; rows: Float32Array; width: number }> {
  const path = requireFile(file);
  const entries = entriesIn(openCheckpoint(path).metadata, file);
  return await tidy(async () => {
    const { embeddings } = await steps.run(readTensors(path, { ...steps.control }));
    const [count, width, ...more] = embeddings?.shape ?? [];
    const fits = count === entries.length && width !== undefined && more.length === 0;
    if (embeddings?.dtype !== "float32" || !fits) {
      throw damaged(file, `float32 [${entries.length}, E] as embeddings`);
    }
    const rows = Float32Array.from((await embeddings.data()) as Float32Array);
    for (let row = 0; row < entries.length; row += 1) {
      // Written so that NaN is refused as well.
      if (Math.abs(lengthOf(rows, row * width, width) - 1) <= ROUNDING) continue;
      throw damaged(file, `vectors of unit length, as that of ${entries[row]!.name},`);
    }
    return { entries, rows, width };
  });
}

function entriesIn(metadata: Readonly<Record<string, unknown>>, file: string): IndexEntry[] {
  if (metadata.format !== FORMAT) throw damaged(file, "an index of embeddings");
  let entries: unknown;
  try {
    entries = JSON.parse(String(metadata.entries));
  } catch {
    throw damaged(file, "JSON as entries");
  }
  if (!Array.isArray(entries) || entries.length === 0 || !entries.every(isEntry)) {
    throw damaged(file, "at least one entry with a name");
  }
  if (new Set(entries.map(({ name }) => name)).size === entries.length) return entries;
  throw damaged(file, "different names");
}

function damaged(file: string, expected: string): TorchsightError {
  return new TorchsightError("BAD_CHECKPOINT", `expected ${expected} in ${file}`);
}
