/** Features of captions, each of which is read once. */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, renameSync } from "node:fs";
import { join } from "node:path";
import { checkWholeNumber } from "../../core/checks.js";
import { tensor } from "../../core/create.js";
import { readTensors, writeTensors } from "../../core/files.js";
import type { JobControl } from "../../core/job.js";
import type { Tensor } from "../../core/tensor.js";

/** What reads captions, as `T5Encoder` does. */
export interface CaptionReader {
  /** Width of its features. */
  readonly config: { readonly d_model: number };
  encodeText(
    captions: readonly string[],
    options: JobControl & { maxLength?: number | undefined },
  ): PromiseLike<Disposable & { readonly features: Tensor; readonly mask: Tensor<"int64"> }>;
}

/** How captions are read and kept. */
export interface CaptionFeaturesOptions {
  /** Tokens of a caption at most, its end mark included. Default 128, as Imagen's. */
  maxLength?: number | undefined;
  /**
   * A folder in which features are kept from run to run, in a folder of the encoder's own. Default:
   * they are kept in memory alone.
   */
  cache?: string | undefined;
  /** Captions kept in memory, those read last. Default 100,000. */
  most?: number | undefined;
}

/** What stages take of texts. Dispose of both. */
export interface TextInputs {
  /** float32 [B, L, d], zero at padding. */
  text: Tensor;
  /** int64 [B, L], 0 at padding. */
  text_mask: Tensor;
}

/** A caption's features: [length, width]. */
type Row = Float32Array;

/** By what it says of this, an encoder is known again. */
const PROBE = "a large red square moves left, then spins";

/**
 * Reads captions with a frozen encoder. What it says of a caption does not depend on the batch, so
 * it is kept.
 *
 * @example
 * ```ts
 * const features = new CaptionFeatures(t5, { cache: "captions" });
 * const { text, text_mask } = await features.read(["a red square moves left"]);
 * ```
 */
export class CaptionFeatures {
  readonly #encoder: CaptionReader;
  readonly #options: CaptionFeaturesOptions;
  readonly #rows = new Map<string, Row>();
  #folder: Promise<string> | undefined;

  /** Throws `BAD_INPUT` for options that mean nothing. The encoder stays the caller's. */
  constructor(encoder: CaptionReader, options: CaptionFeaturesOptions = {}) {
    checkWholeNumber("maxLength", options.maxLength, 1);
    checkWholeNumber("most", options.most, 1);
    this.#encoder = encoder;
    this.#options = options;
  }

  /** Features of captions, padded to the longest. */
  async read(captions: readonly string[], control: JobControl = {}): Promise<TextInputs> {
    const rows = await this.#read(captions, control);
    const width = this.#encoder.config.d_model;
    const length = Math.max(...rows.map((row) => row.length / width));
    const text = new Float32Array(rows.length * length * width);
    const mask = new BigInt64Array(rows.length * length);
    for (const [at, row] of rows.entries()) {
      text.set(row, at * length * width);
      mask.fill(1n, at * length, at * length + row.length / width);
    }
    return {
      text: tensor(text, { shape: [rows.length, length, width] }),
      text_mask: tensor(mask, { shape: [rows.length, length] }),
    };
  }

  /** Rows of all captions; those that are new are read together. */
  async #read(captions: readonly string[], control: JobControl): Promise<Row[]> {
    const found = new Map<string, Row>();
    const unread: string[] = [];
    for (const caption of new Set(captions)) {
      const row = this.#rows.get(caption) ?? (await this.#stored(caption));
      if (row) found.set(caption, row);
      else unread.push(caption);
    }
    if (unread.length > 0) {
      const rows = await this.#encode(unread, control);
      for (const [at, caption] of unread.entries()) {
        found.set(caption, rows[at]!);
        await this.#store(caption, rows[at]!);
      }
    }
    for (const [caption, row] of found) this.#keep(caption, row);
    return captions.map((caption) => found.get(caption)!);
  }

  async #encode(captions: readonly string[], control: JobControl): Promise<Row[]> {
    const { maxLength = 128 } = this.#options;
    using read = await this.#encoder.encodeText(captions, { maxLength, ...control });
    const [count = 0, length = 0, width = 0] = read.features.shape;
    const numbers = Float32Array.from(await read.features.to("float32").data(), Number);
    const mask = await read.mask.data();
    return Array.from({ length: count }, (_, at) => {
      const seen = mask.subarray(at * length, (at + 1) * length).filter((one) => one === 1n).length;
      return numbers.slice(at * length * width, (at * length + seen) * width);
    });
  }

  #keep(caption: string, row: Row): void {
    const { most = 100_000 } = this.#options;
    this.#rows.delete(caption);
    this.#rows.set(caption, row);
    for (const oldest of this.#rows.keys()) {
      if (this.#rows.size <= most) break;
      this.#rows.delete(oldest);
    }
  }

  async #stored(caption: string): Promise<Row | undefined> {
    if (this.#options.cache === undefined) return undefined;
    const file = await this.#fileOf(caption);
    if (!existsSync(file)) return undefined;
    using read = await readTensors(file);
    return Float32Array.from(await read.text!.data(), Number);
  }

  async #store(caption: string, row: Row): Promise<void> {
    if (this.#options.cache === undefined) return;
    const file = await this.#fileOf(caption);
    const width = this.#encoder.config.d_model;
    using text = tensor(row, { shape: [row.length / width, width] });
    // Another run may write the same; whole files take each other's place.
    const fresh = `${file}.${process.pid}`;
    await writeTensors(fresh, { text });
    renameSync(fresh, file);
  }

  async #fileOf(caption: string): Promise<string> {
    this.#folder ??= this.#folderOfEncoder(this.#options.cache!);
    return join(await this.#folder, `${digestOf(caption)}.safetensors`);
  }

  /** Named by what the encoder says, so that no other one's features are ever taken for its own. */
  async #folderOfEncoder(cache: string): Promise<string> {
    const [probe] = await this.#encode([PROBE], {});
    const { maxLength = 128 } = this.#options;
    const folder = join(cache, digestOf(Buffer.from(probe!.buffer), `${maxLength}`));
    mkdirSync(folder, { recursive: true });
    return folder;
  }
}

function digestOf(...parts: (string | Uint8Array)[]): string {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return hash.digest("hex").slice(0, 32);
}
