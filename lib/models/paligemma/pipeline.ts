import { existsSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { folderOf } from "../../core/checkpoint.js";
import { type ComposeControl, composeJob, type Steps, withoutControl } from "../../core/compose.js";
import { invalidArgument, TorchsightError } from "../../core/errors.js";
import type { Job, Progress } from "../../core/job.js";
import { createModule, load } from "../../core/load.js";
import type { Module } from "../../core/module.js";
import { ops } from "../../core/ops.js";
import { tidy } from "../../core/scope.js";
import { leftPadded, type TextPrompt } from "../../generation/batch.js";
import { generateArgs } from "../../generation/options.js";
import { generateTexts } from "../../generation/texts.js";
import type { GeneratedText, TokenEvent } from "../../generation/types.js";
import { locate } from "../../hub/index.js";
import { decodeImage, type ImageSource } from "../../media/image.js";
import { PROCESSOR_FILE, readProcessor } from "../../media/processor_fields.js";
import { copyTokenizer } from "../../text/of_model.js";
import type { Tokenizer } from "../../text/tokenizer.js";
import { type DetectedText, requireCodec, type SegmentedText, withMasks } from "./answers.js";
import {
  type PaliGemmaConfig,
  type PaliGemmaConfigInput,
  type PaliGemmaVariant,
  parseConfig,
  variant,
} from "./config.js";
import { featuresOf, ImageFeatures, type PaliGemmaImage } from "./features.js";
import { MaskCodec, PUBLISHED_FILE } from "./mask_codec.js";
import type { PaliGemmaMethods } from "./methods.js";
import { readObjects } from "./objects.js";
import {
  type ImageOptions,
  moduleOptions,
  type PaliGemmaLoadOptions,
  type PromptOptions,
  type TaskOptions,
} from "./options.js";
import { type Processor, parseProcessor } from "./processing.js";
import {
  answerPrompt,
  captionPrompt,
  detectPrompt,
  isTask,
  ocrPrompt,
  segmentPrompt,
} from "./prompts.js";
import {
  type CheckedInput,
  checkedInput,
  knownLayout,
  type PaliGemmaInput,
  rowOf,
} from "./requests.js";
import { loadTokenizer } from "./tokens.js";

/** Tokens of a text at most, where nothing is said: captions and answers are short, places long. */
const SHORT = 32;
const LONG = 256;

/** How likely a text is after pictures and a prompt. */
export interface SuffixScore {
  /** Sum of the tokens' log-probabilities (natural logarithms), that of the end among them. */
  total: number;
  tokenIds: number[];
  logprobs: number[];
}

/**
 * PaliGemma and PaliGemma 2: answers about pictures in words, boxes and masks.
 *
 * @example
 * ```ts
 * await using pali = await PaliGemma.load("google/paligemma2-3b-mix-224", { dtype: "bfloat16" });
 * for await (const { textDelta } of pali.answer("photo.jpg", "What is on the table?")) {
 *   process.stdout.write(textDelta);
 * }
 * const { objects } = await pali.detect("photo.jpg", ["cat", "remote control"]);
 * ```
 */
export class PaliGemma {
  /** The native module below, for what this class does not offer. */
  readonly module: Module<PaliGemmaMethods>;
  readonly config: PaliGemmaConfig;
  /** How pictures are prepared. */
  readonly processor: Processor;
  readonly #folder: string | undefined;
  readonly #codec: MaskCodec | undefined;
  /** Whether the model was only pre-trained, by its name: such models know tasks' prompts alone. */
  readonly #pretrained: boolean;

  private constructor(
    module: Module<PaliGemmaMethods>,
    processor: unknown,
    own: { tokenizer?: string | undefined; codec?: MaskCodec | undefined; name?: string },
  ) {
    this.module = module;
    this.config = parseConfig(module.config);
    this.processor = parseProcessor(processor, this.config.vision_config.image_size);
    this.#folder = own.tokenizer;
    this.#codec = own.codec;
    this.#pretrained = /(^|[-_/])pt([-_/]|$)/.test(own.name ?? "");
  }

  /**
   * Loads a folder, a model that ships with the package, or `org/name` from the hub's cache; see
   * `load` and `pull`. The codec of masks, `vae-oid.npz`, is loaded where it lies beside the model.
   */
  static load(pathOrName: string, options: PaliGemmaLoadOptions = {}): Job<PaliGemma> {
    return composeJob(options, async (steps) => {
      if (typeof pathOrName !== "string") {
        throw invalidArgument("the model", "a path or a name", pathOrName);
      }
      const plain = { ...withoutControl(options), ...moduleOptions(options) };
      const path = await steps.run(locate(pathOrName, { ...plain, ...steps.control }));
      const module = await steps.run(load<PaliGemmaMethods>(path, { ...plain, ...steps.control }));
      const folder = folderOf(path);
      return await PaliGemma.#of(module, options, { path: folder, name: pathOrName }, steps);
    });
  }

  /** Makes a model with random weights: of a published size, or of any config. */
  static random(
    model: PaliGemmaVariant | PaliGemmaConfigInput,
    options: PaliGemmaLoadOptions = {},
  ): Job<PaliGemma> {
    return composeJob(options, async (steps) => {
      const config = typeof model === "string" ? variant(model) : parseConfig(model);
      const control = { ...withoutControl(options), ...moduleOptions(options), ...steps.control };
      const module = await steps.run(createModule<PaliGemmaMethods>(config, control));
      return await PaliGemma.#of(module, options, {}, steps);
    });
  }

  static async #of(
    module: Module<PaliGemmaMethods>,
    options: PaliGemmaLoadOptions,
    { path, name = "" }: { path?: string; name?: string },
    steps: Steps,
  ): Promise<PaliGemma> {
    try {
      if (module.config.model_type !== "paligemma") {
        const expected = "a model of type paligemma";
        throw invalidArgument("the model", expected, module.config.model_type);
      }
      const beside = path !== undefined && join(path, PUBLISHED_FILE);
      const masks = options.masks ?? (beside && existsSync(beside) ? beside : undefined);
      const codec = masks && (await steps.run(MaskCodec.load(masks, { ...steps.control })));
      const tokenizer = options.tokenizer ?? path;
      const processor = path === undefined ? undefined : readProcessor(path);
      return new PaliGemma(module, processor, {
        tokenizer,
        ...(codec && { codec }),
        name: basename(name),
      });
    } catch (error) {
      module.dispose();
      throw error;
    }
  }

  /** The model's tokenizer, read when it is first asked for. */
  tokenizer(): Promise<Tokenizer> {
    if (this.#folder === undefined) {
      throw new TorchsightError("UNSUPPORTED", "expected a model with a tokenizer beside it");
    }
    return loadTokenizer(this.#folder);
  }

  /** Computes of pictures what any prompt needs: half of the time to the first token. */
  encodeImages(
    images: readonly ImageSource[],
    options: ComposeControl & ImageOptions = {},
  ): Job<ImageFeatures[]> {
    return composeJob(options, (steps) =>
      featuresOf(this.module, images, this.processor, options.filter, steps),
    );
  }

  /**
   * Answers a prompt about pictures, or each of several as one batch. The job streams the tokens as
   * they come; leaving its loop cancels it.
   */
  generate(
    input: PaliGemmaInput,
    options?: PromptOptions,
  ): Job<GeneratedText, Progress, TokenEvent>;
  generate(
    inputs: readonly PaliGemmaInput[],
    options?: PromptOptions,
  ): Job<GeneratedText[], Progress, TokenEvent>;
  generate(
    given: PaliGemmaInput | readonly PaliGemmaInput[],
    options: PromptOptions = {},
  ): Job<GeneratedText | GeneratedText[], Progress, TokenEvent> {
    return composeJob<GeneratedText | GeneratedText[], TokenEvent>(options, async (steps) => {
      const inputs = Array.isArray(given) ? (given as readonly PaliGemmaInput[]) : undefined;
      if (inputs?.length === 0) throw invalidArgument("the inputs", "at least one", given);
      const texts = await this.#texts(inputs ?? [given as PaliGemmaInput], options, SHORT, steps);
      return inputs ? texts : texts[0]!;
    });
  }

  /** A sentence about a picture. */
  caption(
    image: PaliGemmaImage,
    options: TaskOptions = {},
  ): Job<GeneratedText, Progress, TokenEvent> {
    return this.#task(image, () => captionPrompt(options.lang), options, SHORT);
  }

  /** A short answer to a question about a picture. */
  answer(
    image: PaliGemmaImage,
    question: string,
    options: TaskOptions = {},
  ): Job<GeneratedText, Progress, TokenEvent> {
    return this.#task(image, () => answerPrompt(question, options.lang), options, SHORT);
  }

  /** The text that is written in a picture. */
  ocr(
    image: PaliGemmaImage,
    options: PromptOptions = {},
  ): Job<GeneratedText, Progress, TokenEvent> {
    return this.#task(image, ocrPrompt, options, LONG);
  }

  /** Boxes of things in a picture. */
  detect(
    image: PaliGemmaImage,
    things: string | readonly string[],
    options: PromptOptions = {},
  ): Job<DetectedText, Progress, TokenEvent> {
    return composeJob<DetectedText, TokenEvent>(options, async (steps) => {
      return await this.#detected(image, detectPrompt(things), options, steps);
    });
  }

  /** Boxes and masks of things in a picture. Rejects with `UNSUPPORTED` without a mask codec. */
  segment(
    image: PaliGemmaImage,
    things: string | readonly string[],
    options: PromptOptions = {},
  ): Job<SegmentedText, Progress, TokenEvent> {
    return composeJob<SegmentedText, TokenEvent>(options, async (steps) => {
      const codec = requireCodec(this.#codec);
      const known = await sizedImage(image);
      const detected = await this.#detected(known.image, segmentPrompt(things), options, steps);
      const objects = await withMasks(detected.objects, known.size, codec, steps);
      return { ...detected, objects };
    });
  }

  /**
   * What a text says of places in a picture, with masks where the codec is there. For texts of
   * prompts of your own: `detect` and `segment` do it themselves.
   */
  locate(
    image: PaliGemmaImage,
    text: Pick<GeneratedText, "tokenIds" | "logprobs">,
    options: ComposeControl & Pick<PromptOptions, "locDivisor"> = {},
  ): Job<Omit<SegmentedText, keyof GeneratedText>> {
    return composeJob(options, async (steps) => {
      const { size } = await sizedImage(image);
      const tokenizer = await this.tokenizer();
      const { objects, invalid } = readObjects(text.tokenIds, {
        tokenizer,
        layout: knownLayout(tokenizer),
        size,
        logprobs: text.logprobs,
        locDivisor: options.locDivisor,
      });
      const codec = this.#codec;
      return { objects: codec ? await withMasks(objects, size, codec, steps) : objects, invalid };
    });
  }

  /** How likely a text is as the answer to a prompt about pictures. */
  score(
    input: PaliGemmaInput,
    suffix: TextPrompt,
    options: ComposeControl & ImageOptions = {},
  ): Job<SuffixScore> {
    return composeJob(options, async (steps) => {
      const tokenizer = await this.tokenizer();
      const checked = checkedInput(input);
      const { eos } = knownLayout(tokenizer);
      const tokenIds =
        typeof suffix === "string"
          ? [...tokenizer.encode(suffix, { specialTokens: false }), eos]
          : [...suffix];
      const prompt = rowOf(checked, this.#rowOptions(tokenizer, tokenIds.length));
      return await tidy(async () => {
        const types = [...prompt.map(() => 0), ...tokenIds.map(() => 1)];
        const { input_ids } = leftPadded([[...prompt, ...tokenIds]]);
        const { input_ids: token_type_ids } = leftPadded([types]);
        const image_hidden_states = await this.#look([checked], options, steps);
        const inputs = { input_ids, token_type_ids, image_hidden_states };
        const job = this.module.call("score", inputs, { ...steps.control });
        const all = [...(await (await steps.run(job)).logprobs.data())].map(Number);
        const logprobs = all.slice(prompt.length);
        return { total: logprobs.reduce((sum, one) => sum + one, 0), tokenIds, logprobs };
      });
    });
  }

  /** Writes all that `load` and transformers need: config, weights, processor, tokenizer. */
  save(folder: string, options: ComposeControl = {}): Job<void> {
    return composeJob(options, async (steps) => {
      await steps.run(this.module.save(folder, steps.control));
      const processor = `${JSON.stringify(this.processor, null, 2)}\n`;
      writeFileSync(join(folder, PROCESSOR_FILE), processor);
      copyTokenizer(this.#folder, folder);
    });
  }

  /** Frees the weights once running calls have settled. */
  dispose(): void {
    this.#codec?.dispose();
    this.module.dispose();
  }

  /** As {@link dispose}, for `using`. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  /** As {@link dispose}, and waits until the weights are free. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#codec?.dispose();
    await this.module[Symbol.asyncDispose]();
  }

  #task(
    image: PaliGemmaImage,
    prompt: () => string,
    options: PromptOptions,
    newTokens: number,
  ): Job<GeneratedText, Progress, TokenEvent> {
    return composeJob<GeneratedText, TokenEvent>(options, async (steps) => {
      const [text] = await this.#texts(
        [{ images: image, prompt: prompt() }],
        options,
        newTokens,
        steps,
      );
      return text!;
    });
  }

  async #detected(
    image: PaliGemmaImage,
    prompt: string,
    options: PromptOptions,
    steps: Steps<TokenEvent>,
  ): Promise<DetectedText> {
    const known = await sizedImage(image);
    const [text] = await this.#texts([{ images: known.image, prompt }], options, LONG, steps);
    const tokenizer = await this.tokenizer();
    const { logprobs } = text!;
    const layout = knownLayout(tokenizer);
    const { locDivisor } = options;
    const read = { tokenizer, layout, size: known.size, logprobs, locDivisor };
    return { ...text!, ...readObjects(text!.tokenIds, read) };
  }

  async #texts(
    given: readonly PaliGemmaInput[],
    options: PromptOptions,
    newTokens: number,
    steps: Steps<TokenEvent>,
  ): Promise<GeneratedText[]> {
    const began = performance.now();
    const inputs = given.map(checkedInput);
    const args = generateArgs(options, newTokens);
    const { max_new_tokens: length = newTokens } = args;
    const tokenizer = await this.tokenizer();
    const rows = inputs.map((input) => rowOf(input, this.#rowOptions(tokenizer, length)));
    this.#warn(inputs);
    return await tidy(async () => {
      const image_hidden_states = await this.#look(inputs, options, steps);
      const tokens = leftPadded(rows, this.config.text_config.pad_token_id);
      const ends = args.eos_token_id ?? [this.config.text_config.eos_token_id].flat();
      return await generateTexts(
        (control) =>
          this.module.call("generate", { ...tokens, image_hidden_states }, { args, ...control }),
        tokenizer,
        { count: rows.length, ends, length, began },
        options,
        steps,
      );
    });
  }

  /** The vectors of all pictures, [I, N, d]; undefined where there are none. */
  async #look(inputs: readonly CheckedInput[], options: ImageOptions, steps: Steps) {
    const images = inputs.flatMap((input) => input.images);
    if (images.length === 0) return undefined;
    const { module, processor } = this;
    const features = await featuresOf(module, images, processor, options.filter, steps);
    const states = features.map(({ tensors }) => tensors.image_hidden_states);
    return states.length === 1 ? states[0] : ops.cat(states);
  }

  #rowOptions(tokenizer: Tokenizer, newTokens: number) {
    const { vision_config, text_config, image_token_index } = this.config;
    const grid = Math.floor(vision_config.image_size / vision_config.patch_size);
    return {
      tokenizer,
      layout: knownLayout(tokenizer),
      patches: grid * grid,
      imageToken: image_token_index,
      context: text_config.max_position_embeddings,
      newTokens,
    };
  }

  #warn(inputs: readonly CheckedInput[]): void {
    const free = inputs.some(({ prompt }) => typeof prompt === "string" && !isTask(prompt));
    if (!this.#pretrained || !free) return;
    process.emitWarning(
      "this model was only pre-trained: it knows the prompts of its tasks, such as `caption en`, " +
        "and is meant to be fine-tuned; for free questions take one with mix in its name",
      "TorchsightWarning",
    );
  }
}

/** A picture with its size, decoded once. */
async function sizedImage(image: PaliGemmaImage) {
  if (image instanceof ImageFeatures) return { image, size: image.size };
  const decoded = await decodeImage(image);
  return { image: decoded, size: { width: decoded.width, height: decoded.height } };
}
