import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { folderOf } from "../../core/checkpoint.js";
import { type ComposeControl, composeJob, type Steps, withoutControl } from "../../core/compose.js";
import { objectOf } from "../../core/config.js";
import { disposable } from "../../core/disposable.js";
import { invalidArgument } from "../../core/errors.js";
import type { Job } from "../../core/job.js";
import { createModule, type LoadOptions, load } from "../../core/load.js";
import type { Module } from "../../core/module.js";
import { ops } from "../../core/ops.js";
import type { Tensor } from "../../core/tensor.js";
import { locate, type PullOptions } from "../../hub/index.js";
import type { ImageSource } from "../../media/image.js";
import { PROCESSOR_FILE, readProcessor } from "../../media/processor_fields.js";
import { copyTokenizer } from "../../text/of_model.js";
import {
  type OwlViTConfig,
  type OwlViTConfigInput,
  type OwlViTVariant,
  parseConfig,
  variant,
} from "./config.js";
import {
  type Detection,
  detections,
  type Proposal,
  type ProposeOptions,
  proposals,
  type SelectOptions,
} from "./detections.js";
import { ImageEmbedding, Queries } from "./embeddings.js";
import { type ExampleQuery, type ExampleQueryOptions, exampleQuery } from "./example.js";
import { embedImages, type ImageOptions } from "./image_embedder.js";
import { batchesOf, isList, listOf, type OwlViTQueries, perImage } from "./lists.js";
import type { OwlViTMethods } from "./methods.js";
import { type Processor, parseProcessor } from "./processor.js";
import { logitsOf } from "./scores.js";
import { TextEmbedder, type TextQueryOptions } from "./text_embedder.js";

/** How a detector is loaded. */
export interface OwlViTLoadOptions
  extends LoadOptions,
    Pick<PullOptions, "revision" | "localFilesOnly" | "token" | "endpoint" | "fetch"> {
  /** Fields that replace those of `preprocessor_config.json`. */
  processor?: Partial<Processor> | undefined;
  /** A folder with the tokenizer's files, where the model has none beside it. */
  tokenizer?: string | undefined;
}

/** A picture, or what was computed of it before. */
export type OwlViTImage = ImageSource | ImageEmbedding;

/** How pictures are embedded. */
export interface EmbedOptions extends ComposeControl, ImageOptions {
  /** Pictures that go through the model at once. Default 1; more are faster on GPUs. */
  batchSize?: number | undefined;
}

/** How objects are found. */
export interface DetectOptions extends EmbedOptions, TextQueryOptions, SelectOptions {}

/** What the model says before anything is selected. */
export interface Predictions {
  /** How well P boxes fit Q queries: float32 [P, Q]. */
  logits: Tensor<"float32">;
  /** Boxes (cx, cy, w, h) in 0..1 of what the network sees: [1, P, 4]. */
  pred_boxes: Tensor;
  /** Logits of holding any object, OWLv2 only: [1, P]. */
  objectness_logits?: Tensor;
}

/**
 * OWL-ViT and OWLv2: finds what texts describe or other pictures show.
 *
 * @example
 * ```ts
 * await using owl = await OwlViT.load("google/owlv2-base-patch16-ensemble");
 * for (const { label, score, box } of await owl.detect("photo.jpg", ["a cat", "a remote"])) {
 *   console.log(label, score, box);
 * }
 * ```
 */
export class OwlViT {
  /** The native module below, for what this class does not offer. */
  readonly module: Module<OwlViTMethods>;
  readonly config: OwlViTConfig;
  /** How pictures are prepared. */
  readonly processor: Processor;
  readonly #texts: TextEmbedder;

  private constructor(module: Module<OwlViTMethods>, processor: unknown, tokenizer?: string) {
    this.module = module;
    this.config = parseConfig(module.config);
    const { model_type, vision_config } = this.config;
    this.processor = parseProcessor(processor, { model_type, imageSize: vision_config.image_size });
    this.#texts = new TextEmbedder(module, this.config, tokenizer);
  }

  /**
   * Loads a folder, a model that ships with the package, or `org/name` from the hub's cache; see
   * `load` and `pull`. With `localFilesOnly: false` it is pulled first where the cache lacks it.
   */
  static load(pathOrName: string, options: OwlViTLoadOptions = {}): Job<OwlViT> {
    return composeJob(options, async (steps) => {
      if (typeof pathOrName !== "string") {
        throw invalidArgument("the model", "a path or a name", pathOrName);
      }
      const plain = withoutControl(options);
      const path = await steps.run(locate(pathOrName, { ...plain, ...steps.control }));
      const processor = readProcessor(path);
      const module = await steps.run(load<OwlViTMethods>(path, { ...plain, ...steps.control }));
      return OwlViT.#of(module, options, processor, folderOf(path));
    });
  }

  /** Makes a model with random weights: of a published size, or of any config. */
  static random(
    model: OwlViTVariant | OwlViTConfigInput,
    options: OwlViTLoadOptions = {},
  ): Job<OwlViT> {
    return composeJob(options, async (steps) => {
      const config = typeof model === "string" ? variant(model) : parseConfig(model);
      const control = { ...withoutControl(options), ...steps.control };
      const module = await steps.run(createModule<OwlViTMethods>(config, control));
      return OwlViT.#of(module, options);
    });
  }

  static #of(
    module: Module<OwlViTMethods>,
    options: OwlViTLoadOptions,
    processor: unknown = {},
    folder?: string,
  ): OwlViT {
    try {
      const { model_type: type } = module.config;
      if (type !== "owlvit" && type !== "owlv2") {
        throw invalidArgument("the model", "a model of type owlvit or owlv2", type);
      }
      const given = { ...objectOf(processor, "the preprocessor config"), ...options.processor };
      return new OwlViT(module, given, options.tokenizer ?? folder);
    } catch (error) {
      module.dispose();
      throw error;
    }
  }

  /** Computes of a picture, or of each, all that any query needs. `using` frees a list as well. */
  embedImage(image: ImageSource, options?: EmbedOptions): Job<ImageEmbedding>;
  embedImage(
    images: readonly ImageSource[],
    options?: EmbedOptions,
  ): Job<ImageEmbedding[] & Disposable>;
  embedImage(
    images: ImageSource | readonly ImageSource[],
    options: EmbedOptions = {},
  ): Job<ImageEmbedding | (ImageEmbedding[] & Disposable)> {
    return composeJob<ImageEmbedding | (ImageEmbedding[] & Disposable)>(options, async (steps) => {
      const list = listOf(images);
      const embedded: ImageEmbedding[] = [];
      try {
        for (const batch of batchesOf(list, options.batchSize)) {
          embedded.push(...(await this.#embed(batch, options, steps)));
        }
      } catch (error) {
        for (const one of embedded) one.dispose();
        throw error;
      }
      return isList(images) ? disposable(embedded) : embedded[0]!;
    });
  }

  /** Computes of texts what any picture needs. The latest lists are kept: repeating one is free. */
  embedText(
    texts: string | readonly string[],
    options: ComposeControl & TextQueryOptions = {},
  ): Job<Queries> {
    const list = typeof texts === "string" ? [texts] : texts;
    return composeJob(options, (steps) => this.#texts.embed(list, options, steps));
  }

  /** Makes a query of what a picture, or a box in it, shows. */
  embedImageQuery(
    image: OwlViTImage,
    options: EmbedOptions & ExampleQueryOptions = {},
  ): Job<ExampleQuery> {
    return composeJob(options, async (steps) => {
      const [embedded] = await this.#embed([image], options, steps);
      try {
        return await exampleQuery(this.module, embedded!, options, steps);
      } finally {
        if (embedded !== image) embedded!.dispose();
      }
    });
  }

  /**
   * Finds objects, best first. Of several pictures each has its own list of detections; they may
   * have one list of queries, or each its own: a list of lists.
   */
  detect(image: OwlViTImage, queries: OwlViTQueries, options?: DetectOptions): Job<Detection[]>;
  detect(
    images: readonly OwlViTImage[],
    queries: OwlViTQueries | readonly OwlViTQueries[],
    options?: DetectOptions,
  ): Job<Detection[][]>;
  detect(
    images: OwlViTImage | readonly OwlViTImage[],
    queries: OwlViTQueries | readonly OwlViTQueries[],
    options: DetectOptions = {},
  ): Job<Detection[] | Detection[][]> {
    return composeJob<Detection[] | Detection[][]>(options, async (steps) => {
      const list = listOf(images);
      const wanted = perImage(queries, list.length);
      const found: Detection[][] = [];
      for await (const image of this.#each(list, options, steps)) {
        found.push(await this.#find(image, wanted(found.length), options, steps));
      }
      return isList(images) ? found : found[0]!;
    });
  }

  /**
   * Finds what looks like an example, or like one of several; for several examples of one thing see
   * {@link Queries.average}. Boxes that overlap a better one are left out.
   */
  detectByExample(
    image: OwlViTImage,
    examples: Queries | readonly Queries[],
    options: DetectOptions = {},
  ): Job<Detection[]> {
    return composeJob(options, async (steps) => {
      using queries = Queries.joined(examples instanceof Queries ? [examples] : examples);
      return await steps.run(this.detect(image, queries, { ...options, ...steps.control }));
    });
  }

  /** Finds objects of whatever kind, without a query. OWLv2 only. */
  propose(image: OwlViTImage, options: EmbedOptions & ProposeOptions = {}): Job<Proposal[]> {
    return composeJob(options, async (steps) => {
      for await (const one of this.#each([image], options, steps)) {
        return await proposals(one, options);
      }
      return [];
    });
  }

  /** What the model says of all boxes, nothing selected: for trackers and the like. */
  predict(
    image: OwlViTImage,
    queries: OwlViTQueries,
    options: DetectOptions = {},
  ): Job<Predictions & Disposable> {
    return composeJob(options, async (steps) => {
      using wanted = await this.#queries(queries, options, steps);
      for await (const one of this.#each([image], options, steps)) {
        const logits = await logitsOf(this.module, one, wanted, [0, wanted.shape[1]], steps);
        const { pred_boxes, objectness_logits: objectness } = one.tensors;
        return disposable({
          logits,
          pred_boxes: ops.alias(pred_boxes),
          ...(objectness && { objectness_logits: ops.alias(objectness) }),
        });
      }
      throw invalidArgument("the image", "a picture", image);
    });
  }

  /** Writes all that `load` and transformers need: config, weights, processor, tokenizer. */
  save(folder: string, options: ComposeControl = {}): Job<void> {
    return composeJob(options, async (steps) => {
      await steps.run(this.module.save(folder, steps.control));
      const processor = `${JSON.stringify(this.processor, null, 2)}\n`;
      writeFileSync(join(folder, PROCESSOR_FILE), processor);
      copyTokenizer(this.#texts.folder, folder);
    });
  }

  /** Frees the weights once running calls have settled. */
  dispose(): void {
    this.#texts.dispose();
    this.module.dispose();
  }

  /** As {@link dispose}, for `using`. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  /** As {@link dispose}, and waits until the weights are free. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#texts.dispose();
    await this.module[Symbol.asyncDispose]();
  }

  /** Embeds what is not embedded yet, in order, as one batch. */
  async #embed(
    images: readonly OwlViTImage[],
    options: ImageOptions,
    steps: Steps,
  ): Promise<ImageEmbedding[]> {
    const sources = images.filter((image) => !(image instanceof ImageEmbedding));
    const { module, processor } = this;
    const fresh = sources.length
      ? await embedImages(module, sources as ImageSource[], processor, options, steps)
      : [];
    return images.map((image) => (image instanceof ImageEmbedding ? image : fresh.shift()!));
  }

  /** Each image embedded, batch by batch; what was embedded here is freed after its batch. */
  async *#each(
    images: readonly OwlViTImage[],
    options: EmbedOptions,
    steps: Steps,
  ): AsyncGenerator<ImageEmbedding, void, undefined> {
    for (const batch of batchesOf(images, options.batchSize)) {
      const embedded = await this.#embed(batch, options, steps);
      try {
        yield* embedded;
      } finally {
        for (const [place, one] of embedded.entries()) if (one !== batch[place]) one.dispose();
      }
    }
  }

  async #find(
    image: ImageEmbedding,
    queries: OwlViTQueries,
    options: DetectOptions,
    steps: Steps,
  ): Promise<Detection[]> {
    // In a batch of lists, one may be empty: nothing is looked for.
    if (!(queries instanceof Queries) && queries.length === 0) return [];
    using wanted = await this.#queries(queries, options, steps);
    return await detections(this.module, image, wanted, options, steps);
  }

  /** Queries for the caller to dispose of. */
  async #queries(
    queries: OwlViTQueries,
    options: TextQueryOptions,
    steps: Steps,
  ): Promise<Queries> {
    return queries instanceof Queries
      ? queries.share()
      : await this.#texts.embed(queries, options, steps);
  }
}
