import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { folderOf } from "../../core/checkpoint.js";
import { checkWholeNumber } from "../../core/checks.js";
import { type ComposeControl, composeJob, type Steps, withoutControl } from "../../core/compose.js";
import { invalidArgument, TorchsightError } from "../../core/errors.js";
import { Held } from "../../core/held.js";
import type { Job } from "../../core/job.js";
import { createModule, type LoadOptions, load } from "../../core/load.js";
import type { Module } from "../../core/module.js";
import { ops } from "../../core/ops.js";
import { tidy } from "../../core/scope.js";
import type { Tensor } from "../../core/tensor.js";
import { locate, type PullOptions } from "../../hub/index.js";
import { decodeImage, type ImageSource } from "../../media/image.js";
import { PROCESSOR_FILE, readProcessor } from "../../media/processor_fields.js";
import { checkTexts, copyTokenizer } from "../../text/of_model.js";
import type { Tokenizer } from "../../text/tokenizer.js";
import {
  parseConfig,
  type SiglipConfig,
  type SiglipConfigInput,
  type SiglipTextConfig,
  type SiglipVariant,
  variant,
} from "./config.js";
import type { PictureInputs, SiglipMethods, SiglipTowerMethods, TextInputs } from "./methods.js";
import { type Processor, parseProcessor, toPixelValues, withPatches } from "./processing.js";
import { loadTokenizer, type TextOptions, toInputIds } from "./texts.js";

/** How a model is loaded. */
export interface SigLIPLoadOptions
  extends LoadOptions,
    Pick<PullOptions, "revision" | "localFilesOnly" | "token" | "endpoint" | "fetch"> {
  /** A folder with the tokenizer's files, where the model has none beside it. */
  tokenizer?: string | undefined;
}

/** What pictures or texts are told by. Dispose of it when done. */
export class Embeddings extends Held<{ embeddings: Tensor }> {
  /** One vector of unit length for each, in order: float32 [B, E]. */
  get embeddings(): Tensor {
    return this.tensors.embeddings;
  }
}

/** How well pictures fit texts. */
export interface Similarities {
  /** Probabilities by the model's sigmoid, 0 to 1: a row for each picture, of all texts. */
  scores: number[][];
  /** The same before the sigmoid. */
  logits: number[][];
}

interface BatchOptions extends ComposeControl {
  /** Pictures or texts that go through the model at once. Default 8. */
  batchSize?: number | undefined;
}

/** How pictures are encoded. */
export interface EncodeImageOptions extends BatchOptions {
  /** Patches of a picture at most, for NaFlex models: more of them see finer detail. */
  maxPatches?: number | undefined;
}

/** How texts are encoded. */
export interface EncodeTextOptions extends BatchOptions, TextOptions {}

/** The methods of all model types; which of them a module has is told by its table. */
type Methods = SiglipMethods & SiglipTowerMethods;

/**
 * SigLIP and SigLIP 2: embeds pictures and texts in one space, where what belongs together is near.
 *
 * @example
 * ```ts
 * await using siglip = await SigLIP.load("google/siglip2-base-patch16-224");
 * const { scores } = await siglip.similarity(["cat.jpg", "dog.jpg"], ["a cat", "a dog"]);
 * ```
 */
export class SigLIP {
  /** The native module below, for what this class does not offer. */
  readonly module: Module<Methods>;
  readonly config: SiglipConfig;
  /** How pictures are prepared; undefined for a text tower by itself. */
  readonly processor: Processor | undefined;
  readonly #text: SiglipTextConfig | undefined;
  readonly #folder: string | undefined;
  #tokenizer: Promise<Tokenizer> | undefined;

  private constructor(module: Module<Methods>, processor: unknown, folder: string | undefined) {
    this.module = module;
    const config = parseConfig(module.config);
    this.config = config;
    const vision =
      "vision_config" in config
        ? config.vision_config
        : "patch_size" in config
          ? config
          : undefined;
    this.processor = vision && parseProcessor(processor, vision);
    this.#text =
      "text_config" in config ? config.text_config : "vocab_size" in config ? config : undefined;
    this.#folder = folder;
  }

  /**
   * Loads a folder, a model that ships with the package, or `org/name` from the hub's cache; see
   * `load` and `pull`.
   */
  static load(pathOrName: string, options: SigLIPLoadOptions = {}): Job<SigLIP> {
    return composeJob(options, async (steps) => {
      if (typeof pathOrName !== "string") {
        throw invalidArgument("the model", "a path or a name", pathOrName);
      }
      const plain = withoutControl(options);
      const path = await steps.run(locate(pathOrName, { ...plain, ...steps.control }));
      const processor = readProcessor(path);
      const module = await steps.run(load<Methods>(path, { ...plain, ...steps.control }));
      return SigLIP.#of(module, processor, options.tokenizer ?? folderOf(path));
    });
  }

  /** Makes a model with random weights: of a published size, or of any config. */
  static random(
    model: SiglipVariant | SiglipConfigInput,
    options: SigLIPLoadOptions = {},
  ): Job<SigLIP> {
    return composeJob(options, async (steps) => {
      const config = typeof model === "string" ? variant(model) : parseConfig(model);
      const control = { ...withoutControl(options), ...steps.control };
      const module = await steps.run(createModule<Methods>(config, control));
      return SigLIP.#of(module, undefined, options.tokenizer);
    });
  }

  static #of(module: Module<Methods>, processor: unknown, folder: string | undefined): SigLIP {
    try {
      const { model_type: type } = module.config;
      if (!String(type).startsWith("siglip")) {
        throw invalidArgument("the model", "a model of a SigLIP type", type);
      }
      return new SigLIP(module, processor, folder);
    } catch (error) {
      module.dispose();
      throw error;
    }
  }

  /** Vectors of pictures. Rejects with `UNSUPPORTED` for a text tower by itself. */
  encodeImage(
    images: ImageSource | readonly ImageSource[],
    options: EncodeImageOptions = {},
  ): Job<Embeddings> {
    return composeJob(options, async (steps) => {
      const list = Array.isArray(images) ? images : [images as ImageSource];
      if (list.length === 0) throw invalidArgument("the images", "at least one", images);
      if (!this.processor) throw lacks("an image tower");
      const processor = withPatches(this.processor, options.maxPatches);
      return await embeddingsOf(list, options, (part) => this.#look(part, processor, steps));
    });
  }

  /** Vectors of texts. Rejects with `UNSUPPORTED` for an image tower by itself. */
  encodeText(texts: string | readonly string[], options: EncodeTextOptions = {}): Job<Embeddings> {
    return composeJob(options, async (steps) => {
      const list = typeof texts === "string" ? [texts] : texts;
      checkTexts(list);
      if (!this.#text) throw lacks("a text tower");
      const [config, tokenizer] = [this.#text, await this.#requireTokenizer(this.#text)];
      const read = (part: readonly string[]) => {
        const context = config.max_position_embeddings;
        return this.#read({ input_ids: toInputIds(tokenizer, part, context, options) }, steps);
      };
      return await embeddingsOf(list, options, read);
    });
  }

  /** How well each picture fits each text. Rejects with `UNSUPPORTED` for one tower by itself. */
  similarity(
    images: readonly ImageSource[] | Embeddings,
    texts: readonly string[] | Embeddings,
    options: EncodeImageOptions & EncodeTextOptions = {},
  ): Job<Similarities> {
    return composeJob(options, async (steps) => {
      if (!("similarity" in this.module.methods)) throw lacks("both towers");
      return await tidy(async () => {
        const pictures =
          images instanceof Embeddings
            ? images
            : await steps.run(this.encodeImage(images, { ...options, ...steps.control }));
        const words =
          texts instanceof Embeddings
            ? texts
            : await steps.run(this.encodeText(texts, { ...options, ...steps.control }));
        const inputs = { image_embeds: pictures.embeddings, text_embeds: words.embeddings };
        const job = this.module.call("similarity", inputs, { ...steps.control });
        const { logits_per_image } = await steps.run(job);
        const [rows, columns] = logits_per_image.shape as [number, number];
        const all = Array.from(await logits_per_image.data(), Number);
        const logits = Array.from({ length: rows }, (_, row) =>
          all.slice(row * columns, (row + 1) * columns),
        );
        const scores = logits.map((row) => row.map((logit) => 1 / (1 + Math.exp(-logit))));
        return { scores, logits };
      });
    });
  }

  /** Writes all that `load` and transformers need: config, weights, processor, tokenizer. */
  save(folder: string, options: ComposeControl = {}): Job<void> {
    return composeJob(options, async (steps) => {
      await steps.run(this.module.save(folder, steps.control));
      if (this.processor) {
        const text = `${JSON.stringify(this.processor, null, 2)}\n`;
        writeFileSync(join(folder, PROCESSOR_FILE), text);
      }
      copyTokenizer(this.#folder, folder);
    });
  }

  /** Frees the weights once running calls have settled. */
  dispose(): void {
    this.module.dispose();
  }

  /** As {@link dispose}, for `using`. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  /** As {@link dispose}, and waits until the weights are free. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.module[Symbol.asyncDispose]();
  }

  /** [B, E], of any length. */
  async #look(images: readonly ImageSource[], processor: Processor, steps: Steps): Promise<Tensor> {
    const decoded = await Promise.all(images.map((image) => decodeImage(image)));
    const inputs: PictureInputs = await toPixelValues(decoded, processor, steps);
    const { pooler_output: pooled } =
      "encode" in this.module.methods
        ? await steps.run(this.module.call("encode", inputs, { ...steps.control }))
        : await steps.run(this.module.call("encode_image", inputs, { ...steps.control }));
    if (!pooled) throw lacks("a pooling head (vision_use_head)");
    return pooled;
  }

  /** [T, E], of any length. */
  async #read(inputs: TextInputs, steps: Steps): Promise<Tensor> {
    const { pooler_output: pooled } =
      "encode" in this.module.methods
        ? await steps.run(this.module.call("encode", inputs, { ...steps.control }))
        : await steps.run(this.module.call("encode_text", inputs, { ...steps.control }));
    return pooled!;
  }

  #requireTokenizer(config: SiglipTextConfig): Promise<Tokenizer> {
    if (this.#folder === undefined) throw lacks("a tokenizer beside it");
    this.#tokenizer ??= loadTokenizer(this.#folder, config);
    // What failed once may be mended and tried again.
    this.#tokenizer.catch(() => {
      this.#tokenizer = undefined;
    });
    return this.#tokenizer;
  }
}

/** What `encode` makes of all of a list, a part at a time, at unit length. */
async function embeddingsOf<T>(
  list: readonly T[],
  { batchSize = 8 }: BatchOptions,
  encode: (part: readonly T[]) => Promise<Tensor>,
): Promise<Embeddings> {
  checkWholeNumber("batchSize", batchSize, 1);
  const embeddings = await tidy(async () => {
    const parts: Tensor[] = [];
    for (let first = 0; first < list.length; first += batchSize) {
      parts.push(await tidy(() => encode(list.slice(first, first + batchSize))));
    }
    const pooled = (parts.length === 1 ? parts[0]! : ops.cat(parts)).to("float32");
    return ops.div(pooled, ops.linalg_vector_norm(pooled, 2, [-1], true));
  });
  return new Embeddings({ embeddings });
}

function lacks(part: string): TorchsightError {
  return new TorchsightError(
    "UNSUPPORTED",
    `expected a model with ${part} but received one without`,
  );
}
