/** From prompts to what the stages read. */
import { join } from "node:path";
import { withoutControl } from "../core/compose.js";
import { ones, tensor } from "../core/create.js";
import { invalidArgument, TorchsightError } from "../core/errors.js";
import type { Job, Progress } from "../core/job.js";
import { ops } from "../core/ops.js";
import { tidy } from "../core/scope.js";
import { Tensor } from "../core/tensor.js";
import type { CascadeConfig } from "../models/imagen_video/index.js";
import { T5Encoder, type T5LoadOptions, TextFeatures } from "../models/t5/index.js";
import type { TextEmbedding, VideoPrompt } from "./options.js";
import { lengthened, spread } from "./sources.js";

/** What a stage's `sample` takes of texts. */
export interface TextInputs {
  text?: Tensor;
  text_mask?: Tensor;
  negative?: Tensor;
  negative_mask?: Tensor;
}

/** Runs parts of a job, and says how they are to be run. */
export interface Runner {
  readonly control: object;
  run<T, I>(job: Job<T, Progress, I>, tell?: (progress: Progress) => void): Promise<T>;
}

/** Reads prompts with the cascade's encoder, which is loaded for that alone unless it is kept. */
export class PromptReader {
  readonly #text: CascadeConfig["text"];
  readonly #folder: string | undefined;
  readonly #options: T5LoadOptions;
  readonly #keep: boolean;
  #kept: T5Encoder | undefined;

  constructor(
    text: CascadeConfig["text"],
    folder: string | undefined,
    options: T5LoadOptions,
    keep: boolean,
  ) {
    this.#text = text;
    this.#folder = folder;
    this.#options = options;
    this.#keep = keep;
  }

  /** Texts that are read; an empty one is the empty condition, of which nothing is seen. */
  async encode(texts: readonly string[], runner: Runner): Promise<TextFeatures> {
    const { encoder, length } = await this.#open(runner);
    try {
      await checkLengths(encoder, texts, length);
      const read = await runner.run(
        encoder.encodeText(texts, { ...runner.control, maxLength: length }),
        () => {},
      );
      if (!texts.includes("")) return read;
      const seen = texts.map((text) => (text === "" ? 0n : 1n));
      return tidy(() => {
        const rows = tensor(BigInt64Array.from(seen), { shape: [texts.length, 1] });
        const features = ops.mul(read.features, ops.unsqueeze(rows, -1).to(read.features.dtype));
        const mask = ops.mul(read.mask, rows).as("int64");
        read.dispose();
        return new TextFeatures({ features, mask });
      });
    } finally {
      if (!this.#keep) await encoder[Symbol.asyncDispose]();
    }
  }

  /** Prompts and negative prompts of so many samples, all of one length. */
  async inputs(
    prompt: VideoPrompt | undefined,
    negative: VideoPrompt | undefined,
    samples: number,
    runner: Runner,
  ): Promise<TextInputs> {
    if (prompt === undefined) {
      if (negative === undefined) return {};
      throw invalidArgument("the prompt", "a text beside the negative prompt", prompt);
    }
    const given = await this.#read("the prompt", prompt, runner);
    const without =
      negative === undefined
        ? undefined
        : await this.#read("the negative prompt", negative, runner);
    const length = Math.max(given.features.shape[1]!, without?.features.shape[1] ?? 0);
    const put = ({ features, mask }: Required<TextEmbedding>) => [
      spread(lengthened(features, length), samples),
      spread(lengthened(mask!, length), samples),
    ];
    const [text, text_mask] = put(given) as [Tensor, Tensor];
    if (!without) return { text, text_mask };
    const [negatives, negative_mask] = put(without) as [Tensor, Tensor];
    return { text, text_mask, negative: negatives, negative_mask };
  }

  /** Writes the encoder and its tokenizer into their folder below the cascade's. */
  async save(folder: string, runner: Runner): Promise<void> {
    if (!this.#text || this.#folder === undefined) return;
    const { encoder } = await this.#open(runner);
    await runner.run(encoder.save(join(folder, this.#text.folder), runner.control), () => {});
    if (!this.#keep) await encoder[Symbol.asyncDispose]();
  }

  dispose(): void {
    this.#kept?.dispose();
    this.#kept = undefined;
  }

  async #read(name: string, prompt: VideoPrompt, runner: Runner): Promise<Required<TextEmbedding>> {
    if (typeof prompt === "string") return await this.encode([prompt], runner);
    if (isList(prompt)) return await this.encode(prompt, runner);
    return checkedEmbedding(name, prompt);
  }

  async #open(runner: Runner): Promise<{ encoder: T5Encoder; length: number }> {
    const text = this.#text;
    if (!text || this.#folder === undefined) {
      const message = "expected a cascade with a text encoder, or embeddings in place of texts";
      throw new TorchsightError("UNSUPPORTED", message);
    }
    if (this.#kept) return { encoder: this.#kept, length: text.max_length };
    const options = { ...withoutControl(this.#options), ...runner.control };
    const encoder = await runner.run(
      T5Encoder.load(join(this.#folder, text.folder), options),
      () => {},
    );
    // Of two that were opened at a time, the first is kept.
    if (this.#keep && this.#kept) encoder.dispose();
    else if (this.#keep) this.#kept = encoder;
    return { encoder: this.#kept ?? encoder, length: text.max_length };
  }
}

/** How many texts a prompt has. Throws `BAD_INPUT` for what is none. */
export function countOf(name: string, prompt: VideoPrompt | undefined): number | undefined {
  if (prompt === undefined) return undefined;
  if (typeof prompt === "string") return 1;
  if (isList(prompt)) {
    if (prompt.length > 0 && prompt.every((text) => typeof text === "string")) return prompt.length;
    throw invalidArgument(name, "a text, or a list of them", prompt);
  }
  return checkedEmbedding(name, prompt).features.shape[0]!;
}

function isList(prompt: VideoPrompt): prompt is readonly string[] {
  return Array.isArray(prompt);
}

function checkedEmbedding(name: string, given: TextEmbedding): Required<TextEmbedding> {
  const { features, mask } = (given ?? {}) as Partial<TextEmbedding>;
  if (!(features instanceof Tensor) || features.shape.length !== 3) {
    throw invalidArgument(name, "a text, or features [B, L, d] and their mask", given);
  }
  const [rows, length] = features.shape as [number, number];
  if (mask === undefined) return { features, mask: ones([rows, length], { dtype: "int64" }) };
  if (mask instanceof Tensor && String(mask.shape) === String([rows, length])) {
    return { features, mask };
  }
  const received = mask instanceof Tensor ? mask.shape : mask;
  throw invalidArgument(`the mask of ${name}`, `a tensor [${rows}, ${length}]`, received);
}

/** Prompts are refused rather than cut: what is at their end would be missing in the video. */
async function checkLengths(
  encoder: T5Encoder,
  texts: readonly string[],
  most: number,
): Promise<void> {
  const tokenizer = await encoder.tokenizer();
  for (const text of texts) {
    const { length } = tokenizer.encode(text);
    if (length <= most) continue;
    const received = `${length} for ${JSON.stringify(text.slice(0, 60))}`;
    const expected = `expected at most ${most} tokens for the prompt, its end mark included,`;
    throw new TorchsightError("BAD_INPUT", `${expected} but received ${received}`);
  }
}
