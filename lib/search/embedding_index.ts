import { checkWholeNumber } from "../core/checks.js";
import { type ComposeControl, composeJob } from "../core/compose.js";
import { tensor } from "../core/create.js";
import { invalidArgument } from "../core/errors.js";
import type { Job } from "../core/job.js";
import { ops } from "../core/ops.js";
import { keep, tidy } from "../core/scope.js";
import type { Tensor } from "../core/tensor.js";
import { entryOf, type IndexEntry, type Metadata } from "./entries.js";
import { readIndex, writeIndex } from "./index_file.js";
import { type Embedding, rowsOf, vectorOf } from "./vectors.js";

/** Something that was found. */
export interface Match extends IndexEntry {
  /** Cosine of the angle to the query, -1 to 1. */
  score: number;
}

/** Vectors that there is room for at first. */
const ROOM = 64;

/**
 * Named vectors and the search among them by their cosines: one product of a matrix with the query,
 * so nothing is missed.
 *
 * @example
 * ```ts
 * using index = new EmbeddingIndex();
 * using pictures = await siglip.encodeImage(files);
 * await index.addAll(files, pictures.embeddings);
 * await index.save("photos.safetensors");
 * using query = await siglip.encodeText("a cat");
 * const [best] = await index.search(query.embeddings, 10);
 * ```
 */
export class EmbeddingIndex {
  readonly #places = new Map<string, number>();
  #entries: IndexEntry[] = [];
  #width: number | undefined;
  /** Rows of unit length, one for each entry, then room for more. */
  #rows = new Float32Array(0);
  /** The same as a tensor [N, E], until they change. */
  #matrix: Tensor | undefined;

  /** How many vectors there are. */
  get size(): number {
    return this.#entries.length;
  }

  /** E, the numbers of a vector; undefined while there is none. */
  get width(): number | undefined {
    return this.#width;
  }

  /** The names, in the order in which they came. */
  get names(): string[] {
    return this.#entries.map(({ name }) => name);
  }

  /** Whether there is a vector of that name. */
  has(name: string): boolean {
    return this.#places.has(name);
  }

  /** What was told of a vector. */
  metadata(name: string): Metadata | undefined {
    return this.#entries[this.#places.get(name) ?? -1]?.metadata;
  }

  /**
   * Adds a vector. Rejects with `BAD_INPUT` for a name that is there already, for a vector of
   * another width, without a length or with numbers that are not finite, and for metadata that JSON
   * cannot say; with `SHAPE` for a tensor of several vectors.
   */
  async add(name: string, embedding: Embedding, metadata?: Metadata): Promise<void> {
    const entry = entryOf(name, metadata);
    const row = await vectorOf(embedding, `the embedding of ${name}`);
    this.#append([entry], row, row.length);
  }

  /**
   * Adds many vectors, all of them or, where one is refused as by {@link add}, none.
   *
   * @param embeddings - one for each name: a tensor [N, E], or a list
   */
  async addAll(
    names: readonly string[],
    embeddings: Tensor | readonly Embedding[],
    metadata: readonly (Metadata | undefined)[] = [],
  ): Promise<void> {
    if (!Array.isArray(names)) throw invalidArgument("the names", "a list of texts", names);
    if (!Array.isArray(metadata) || ![0, names.length].includes(metadata.length)) {
      throw invalidArgument("the metadata", `a list for ${names.length} names`, metadata);
    }
    const entries = names.map((name, place) => entryOf(name, metadata[place]));
    const { rows, width } = await rowsOf(embeddings, names);
    if (entries.length > 0) this.#append(entries, rows, width);
  }

  /** As {@link add}, in place of the vector of that name where there is one. */
  async set(name: string, embedding: Embedding, metadata?: Metadata): Promise<void> {
    const entry = entryOf(name, metadata);
    const row = await vectorOf(embedding, `the embedding of ${name}`);
    const place = this.#places.get(name);
    if (place === undefined) return this.#append([entry], row, row.length);
    this.#checkWidth(row.length, `the embedding of ${name}`);
    this.#entries[place] = entry;
    this.#rows.set(row, place * row.length);
    this.#changed();
  }

  /** Removes a vector; tells whether there was one. */
  remove(name: string): boolean {
    const place = this.#places.get(name);
    if (place === undefined) return false;
    const width = this.#width!;
    this.#rows.copyWithin(place * width, (place + 1) * width, this.size * width);
    this.#entries.splice(place, 1);
    this.#places.delete(name);
    for (let at = place; at < this.size; at += 1) this.#places.set(this.#entries[at]!.name, at);
    if (this.size === 0) [this.#width, this.#rows] = [undefined, new Float32Array(0)];
    this.#changed();
    return true;
  }

  /**
   * The vectors nearest to a query, best first, at most `topK` of them. What is added or removed
   * meanwhile does not count. Rejects with `BAD_INPUT` or `SHAPE` as {@link add}.
   */
  search(query: Embedding, topK = 10, options: ComposeControl = {}): Job<Match[]> {
    return composeJob(options, async (steps) => {
      checkWholeNumber("topK", topK, 1);
      const vector = await vectorOf(query, "the query");
      if (this.size === 0) return [];
      this.#checkWidth(vector.length, "the query");
      const entries = [...this.#entries];
      const matrix_NE = this.#tensor();
      return await tidy(async () => {
        const { control } = steps;
        const scores_N = await steps.run(ops.job.mv(matrix_NE, tensor(vector), { ...control }));
        const count = Math.min(topK, entries.length);
        const best = ops.job.topk(scores_N, count, { ...steps.control });
        const [scores, places] = await Promise.all(
          (await steps.run(best)).map((one) => one.data()),
        );
        return Array.from({ length: count }, (_, rank) => {
          const { name, metadata } = entries[Number(places![rank])]!;
          return { name, score: Number(scores![rank]), ...(metadata && { metadata }) };
        });
      });
    });
  }

  /** Writes the index as one safetensors file. Rejects with `BAD_INPUT` for an empty one. */
  save(file: string, options: ComposeControl = {}): Job<void> {
    return composeJob(options, async (steps) => {
      if (this.size === 0) throw invalidArgument("the index", "at least one vector", 0);
      await writeIndex(file, this.#entries, this.#tensor(), steps);
    });
  }

  /** Reads what {@link save} wrote. Rejects with `NOT_FOUND` and `BAD_CHECKPOINT`. */
  static load(file: string, options: ComposeControl = {}): Job<EmbeddingIndex> {
    return composeJob(options, async (steps) => {
      const { entries, rows, width } = await readIndex(file, steps);
      const index = new EmbeddingIndex();
      index.#append(entries, rows, width);
      return index;
    });
  }

  /** Frees the tensor that a search has made. The index stays usable. */
  dispose(): void {
    this.#changed();
  }

  /** As {@link dispose}, for `using`. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  #append(entries: readonly IndexEntry[], rows: Float32Array, width: number): void {
    this.#checkWidth(width, `the embedding of ${entries[0]!.name}`);
    const names = new Set<string>();
    for (const { name } of entries) {
      if (this.has(name) || names.has(name)) {
        throw invalidArgument("the name", "one that the index does not have", name);
      }
      names.add(name);
    }
    const needed = (this.size + entries.length) * width;
    if (needed > this.#rows.length) {
      const larger = new Float32Array(Math.max(needed, 2 * this.#rows.length, ROOM * width));
      larger.set(this.#rows);
      this.#rows = larger;
    }
    this.#rows.set(rows, this.size * width);
    for (const entry of entries) this.#places.set(entry.name, this.#entries.push(entry) - 1);
    this.#width = width;
    this.#changed();
  }

  #checkWidth(width: number, name: string): void {
    if (this.#width === undefined || width === this.#width) return;
    throw invalidArgument(name, `${this.#width} numbers`, width);
  }

  #changed(): void {
    this.#matrix?.dispose();
    this.#matrix = undefined;
  }

  #tensor(): Tensor {
    const [size, width] = [this.size, this.#width!];
    // Kept beyond the scope of the search that needs it first.
    this.#matrix ??= keep(tensor(this.#rows.subarray(0, size * width), { shape: [size, width] }));
    return this.#matrix;
  }
}
