import { folderOf } from "../../core/checkpoint.js";
import { type ComposeControl, composeJob, withoutControl } from "../../core/compose.js";
import { invalidArgument, TorchsightError } from "../../core/errors.js";
import type { Job, Progress } from "../../core/job.js";
import { createModule, type LoadOptions, load } from "../../core/load.js";
import type { Module } from "../../core/module.js";
import { tidy } from "../../core/scope.js";
import { leftPadded, promptsOf, type TextPrompt } from "../../generation/batch.js";
import { type GenerateOptions, generateArgs } from "../../generation/options.js";
import { generateTexts } from "../../generation/texts.js";
import type { GeneratedText, TokenEvent } from "../../generation/types.js";
import { locate, type PullOptions } from "../../hub/index.js";
import { copyTokenizer } from "../../text/of_model.js";
import { Tokenizer } from "../../text/tokenizer.js";
import {
  type GemmaConfig,
  type GemmaConfigInput,
  type GemmaVariant,
  parseConfig,
  variant,
} from "./config.js";
import type { GemmaMethods } from "./methods.js";
import { promptIds } from "./processing.js";

/** How a language model is loaded. */
export interface GemmaLoadOptions
  extends LoadOptions,
    Pick<PullOptions, "revision" | "localFilesOnly" | "token" | "endpoint" | "fetch"> {
  /** A folder with the tokenizer's files, where the model has none beside it. */
  tokenizer?: string | undefined;
  /** Keeps the matrices as 8-bit integers with a scale for each row: a quarter of the memory. */
  weights?: "int8" | undefined;
}

/** How likely a text is. */
export interface TextScore {
  /** Sum of the tokens' log-probabilities (natural logarithms). */
  total: number;
  tokenIds: number[];
  logprobs: number[];
}

/** Tokens of a text at most, where nothing is said. */
const NEW_TOKENS = 256;

/**
 * Gemma and Gemma 2: continues texts.
 *
 * @example
 * ```ts
 * await using gemma = await Gemma.load("google/gemma-2-2b", { dtype: "bfloat16" });
 * for await (const { textDelta } of gemma.generate("The capital of France is")) {
 *   process.stdout.write(textDelta);
 * }
 * ```
 */
export class Gemma {
  /** The native module below, for what this class does not offer. */
  readonly module: Module<GemmaMethods>;
  readonly config: GemmaConfig;
  readonly #folder: string | undefined;
  #tokenizer: Promise<Tokenizer> | undefined;

  private constructor(module: Module<GemmaMethods>, folder?: string) {
    this.module = module;
    this.config = parseConfig(module.config);
    this.#folder = folder;
  }

  /**
   * Loads a folder, a model that ships with the package, or `org/name` from the hub's cache; see
   * `load` and `pull`.
   */
  static load(pathOrName: string, options: GemmaLoadOptions = {}): Job<Gemma> {
    return composeJob(options, async (steps) => {
      if (typeof pathOrName !== "string") {
        throw invalidArgument("the model", "a path or a name", pathOrName);
      }
      const plain = loadOptionsOf(options);
      const path = await steps.run(locate(pathOrName, { ...plain, ...steps.control }));
      const module = await steps.run(load<GemmaMethods>(path, { ...plain, ...steps.control }));
      return Gemma.#of(module, options.tokenizer ?? folderOf(path));
    });
  }

  /** Makes a model with random weights: of a published size, or of any config. */
  static random(
    model: GemmaVariant | GemmaConfigInput,
    options: GemmaLoadOptions = {},
  ): Job<Gemma> {
    return composeJob(options, async (steps) => {
      const config = typeof model === "string" ? variant(model) : parseConfig(model);
      const control = { ...loadOptionsOf(options), ...steps.control };
      const module = await steps.run(createModule<GemmaMethods>(config, control));
      return Gemma.#of(module, options.tokenizer);
    });
  }

  static #of(module: Module<GemmaMethods>, folder?: string): Gemma {
    const { model_type: type } = module.config;
    if (type === "gemma" || type === "gemma2") return new Gemma(module, folder);
    module.dispose();
    throw invalidArgument("the model", "a model of type gemma or gemma2", type);
  }

  /** The model's tokenizer, read when it is first asked for. */
  tokenizer(): Promise<Tokenizer> {
    if (this.#folder === undefined) {
      throw new TorchsightError("UNSUPPORTED", "expected a model with a tokenizer beside it");
    }
    this.#tokenizer ??= Tokenizer.load(this.#folder);
    // What failed once may be mended and tried again.
    this.#tokenizer.catch(() => {
      this.#tokenizer = undefined;
    });
    return this.#tokenizer;
  }

  /**
   * Continues a text, or each of several as one batch. The job streams the tokens as they come;
   * leaving its loop cancels it.
   */
  generate(prompt: TextPrompt, options?: GenerateOptions): Job<GeneratedText, Progress, TokenEvent>;
  generate(
    prompts: readonly TextPrompt[],
    options?: GenerateOptions,
  ): Job<GeneratedText[], Progress, TokenEvent>;
  generate(
    given: TextPrompt | readonly TextPrompt[],
    options: GenerateOptions = {},
  ): Job<GeneratedText | GeneratedText[], Progress, TokenEvent> {
    return composeJob<GeneratedText | GeneratedText[], TokenEvent>(options, async (steps) => {
      const began = performance.now();
      const { prompts, isList } = promptsOf<TextPrompt>(given);
      const args = generateArgs(options, NEW_TOKENS);
      const { max_new_tokens: newTokens = NEW_TOKENS } = args;
      const tokenizer = await this.tokenizer();
      const bounds = { context: this.config.max_position_embeddings, newTokens };
      const rows = prompts.map((prompt) => promptIds(prompt, tokenizer, bounds));
      const ends = args.eos_token_id ?? [this.config.eos_token_id].flat();
      const texts = await tidy(() => {
        const inputs = leftPadded(rows, this.config.pad_token_id);
        return generateTexts(
          (control) => this.module.call("generate", { ...inputs }, { args, ...control }),
          tokenizer,
          { count: rows.length, ends, length: newTokens, began },
          options,
          steps,
        );
      });
      return isList ? texts : texts[0]!;
    });
  }

  /** How likely `text` is after `prompt`. */
  score(prompt: TextPrompt, text: TextPrompt, options: ComposeControl = {}): Job<TextScore> {
    return composeJob(options, async (steps) => {
      const tokenizer = await this.tokenizer();
      const bounds = { context: this.config.max_position_embeddings, newTokens: 0 };
      const before = promptIds(prompt, tokenizer, bounds);
      const tokenIds =
        typeof text === "string" ? tokenizer.encode(text, { specialTokens: false }) : [...text];
      return await tidy(async () => {
        const job = this.module.call("score", leftPadded([[...before, ...tokenIds]]), {
          ...steps.control,
        });
        const all = [...(await (await steps.run(job)).logprobs.data())].map(Number);
        const logprobs = all.slice(before.length);
        return { total: logprobs.reduce((sum, one) => sum + one, 0), tokenIds, logprobs };
      });
    });
  }

  /** Writes all that `load` and transformers need: config, weights, tokenizer. */
  save(folder: string, options: ComposeControl = {}): Job<void> {
    return composeJob(options, async (steps) => {
      await steps.run(this.module.save(folder, steps.control));
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
}

function loadOptionsOf(options: GemmaLoadOptions): GemmaLoadOptions {
  const { weights, extra } = options;
  return {
    ...withoutControl(options),
    ...(weights !== undefined && { extra: { ...extra, weights } }),
  };
}
