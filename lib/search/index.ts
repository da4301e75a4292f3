/** Search by embeddings: what is nearest to a vector, exactly. */
import { openCheckpoint, requireFile } from "../core/checkpoint.js";
import { type ComposeControl, composeJob } from "../core/compose.js";
import { tensor } from "../core/create.js";
import { invalidArgument, TorchsightError } from "../core/errors.js";
import { readTensors, writeTensors } from "../core/files.js";
import type { Job } from "../core/job.js";
import { ops } from "../core/ops.js";
import { tidy } from "../core/scope.js";
import { Tensor } from "../core/tensor.js";

/** A vector: numbers, or a tensor of one dimension or [1, E]. */
export type Embedding = Tensor | ArrayLike<number>;

/** Something that was found. */
export interface Match {
  name: string;
  /** Cosine of the angle to the query, -1 to 1. */
  score: number;
}

const FORMAT = "torchsight embedding index";

/**
 * Named vectors and the search among them by their cosines: one product of matrices, so that
 * 100,000 pictures take milliseconds and nothing is missed.
 *
 * @example
 * ```ts
 * const index = new EmbeddingIndex();
 * for (const file of files) await index.add(file, (await siglip.encodeImage(file)).embeddings);
 * await index.save("photos.safetensors");
 * const [best] = await index.search((await siglip.encodeText("a cat")).embeddings, 10);
 * ```
 */
export class EmbeddingIndex {
  readonly #rows = new Map<string, Float32Array>();
  #width: number | undefined;
  /** All rows as one matrix, until they change. */
  #matrix: Tensor | undefined;

  /** How many vectors there are. */
  get size(): number {
    return this.#rows.size;
  }

  /** Numbers of a vector; undefined while there is none. */
  get width(): number | undefined {
    return this.#width;
  }

  /** The names, in the order in which they came. */
  get names(): string[] {
    return [...this.#rows.keys()];
  }

  /** Whether there is a vector of that name. */
  has(name: string): boolean {
    return this.#rows.has(name);
  }

  /**
   * Adds a vector, or puts it in place of the one of that name. Rejects with `BAD_INPUT` for a
   * vector of another width, without a length, or with numbers that are not finite.
   */
  async add(name: string, embedding: Embedding): Promise<void> {
    if (typeof name !== "string" || name === "") throw invalidArgument("the name", "a text", name);
    const row = unit(await numbersOf(embedding), name);
    if (this.#width !== undefined && row.length !== this.#width) {
      throw invalidArgument(`the embedding of ${name}`, `${this.#width} numbers`, row.length);
    }
    this.#width = row.length;
    this.#rows.set(name, row);
    this.#changed();
  }

  /** Removes a vector; tells whether there was one. */
  remove(name: string): boolean {
    const removed = this.#rows.delete(name);
    if (removed) this.#changed();
    if (this.#rows.size === 0) this.#width = undefined;
    return removed;
  }

  /** The vectors nearest to a query, best first, at most `topK` of them. */
  search(query: Embedding, topK = 10, options: ComposeControl = {}): Job<Match[]> {
    return composeJob(options, async (steps) => {
      if (!Number.isSafeInteger(topK) || topK < 1) {
        throw invalidArgument("topK", "a whole number of at least 1", topK);
      }
      const vector = unit(await numbersOf(query), "the query");
      if (this.#rows.size === 0) return [];
      if (vector.length !== this.#width) {
        throw invalidArgument("the query", `${this.#width} numbers`, vector.length);
      }
      const { names } = this;
      const matrix = this.#all();
      return await tidy(async () => {
        const scores_N = await steps.run(ops.job.mv(matrix, tensor(vector), { ...steps.control }));
        const count = Math.min(topK, names.length);
        const [values, places] = await steps.run(
          ops.job.topk(scores_N, count, { ...steps.control }),
        );
        const [scores, order] = await Promise.all([values.data(), places.data()]);
        return names.slice(0, count).map((_, rank) => ({
          name: names[Number(order[rank])]!,
          score: Number(scores[rank]),
        }));
      });
    });
  }

  /** Writes the index as one safetensors file. */
  save(file: string, options: ComposeControl = {}): Job<void> {
    return composeJob(options, async (steps) => {
      if (this.#rows.size === 0) throw invalidArgument("the index", "at least one vector", 0);
      const metadata = { format: FORMAT, names: JSON.stringify(this.names) };
      const job = writeTensors(file, { embeddings: this.#all() }, { metadata, ...steps.control });
      await steps.run(job);
    });
  }

  /** Reads what {@link save} wrote. Rejects with `NOT_FOUND` and `BAD_CHECKPOINT`. */
  static load(file: string, options: ComposeControl = {}): Job<EmbeddingIndex> {
    return composeJob(options, async (steps) => {
      const path = requireFile(file);
      const names = namesIn(openCheckpoint(path).metadata, file);
      using tensors = await steps.run(readTensors(path, { ...steps.control }));
      const { embeddings } = tensors as Record<string, Tensor>;
      const [count, width] = embeddings?.shape ?? [];
      if (!embeddings || count !== names.length || width === undefined) {
        throw damaged(file, `a matrix of ${names.length} rows as embeddings`);
      }
      const values = Float32Array.from(await embeddings.to("float32").data(), Number);
      const index = new EmbeddingIndex();
      for (const [row, name] of names.entries()) {
        await index.add(name, values.subarray(row * width, (row + 1) * width));
      }
      return index;
    });
  }

  /** Frees the matrix that a search has made. The index stays usable. */
  dispose(): void {
    this.#changed();
  }

  /** As {@link dispose}, for `using`. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  #changed(): void {
    this.#matrix?.dispose();
    this.#matrix = undefined;
  }

  #all(): Tensor {
    if (this.#matrix) return this.#matrix;
    const width = this.#width!;
    const all = new Float32Array(this.#rows.size * width);
    for (const [place, row] of [...this.#rows.values()].entries()) all.set(row, place * width);
    this.#matrix = tensor(all, { shape: [this.#rows.size, width] });
    return this.#matrix;
  }
}

async function numbersOf(embedding: Embedding): Promise<Float32Array> {
  if (!(embedding instanceof Tensor)) return Float32Array.from(embedding);
  const { shape } = embedding;
  if (shape.length !== 1 && !(shape.length === 2 && shape[0] === 1)) {
    throw new TorchsightError("SHAPE", `expected one vector but received [${shape.join(", ")}]`);
  }
  return Float32Array.from(await embedding.to("float32").data(), Number);
}

/** The vector at length one. */
function unit(numbers: Float32Array, name: string): Float32Array {
  const length = Math.sqrt(numbers.reduce((sum, one) => sum + one * one, 0));
  if (length > 0 && Number.isFinite(length)) return numbers.map((one) => one / length);
  throw invalidArgument(`the embedding of ${name}`, "finite numbers, not all of them 0,", length);
}

function namesIn(metadata: Record<string, unknown>, file: string): string[] {
  if (metadata.format !== FORMAT) throw damaged(file, "an index of embeddings");
  let names: unknown;
  try {
    names = JSON.parse(String(metadata.names));
  } catch {
    throw damaged(file, "JSON as names");
  }
  const fits = Array.isArray(names) && names.every((name) => typeof name === "string" && name);
  if (fits && new Set(names as string[]).size === (names as string[]).length) {
    return names as string[];
  }
  throw damaged(file, "different texts as names");
}

function damaged(file: string, expected: string): TorchsightError {
  return new TorchsightError("BAD_CHECKPOINT", `expected ${expected} in ${file}`);
}
