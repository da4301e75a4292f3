import { folderOf } from "../../core/checkpoint.js";
import { checkWholeNumber } from "../../core/checks.js";
import { type ComposeControl, composeJob, withoutControl } from "../../core/compose.js";
import { invalidArgument, TorchsightError } from "../../core/errors.js";
import { Held } from "../../core/held.js";
import type { Job } from "../../core/job.js";
import { createModule, type LoadOptions, load } from "../../core/load.js";
import type { Module } from "../../core/module.js";
import { ops } from "../../core/ops.js";
import type { Device } from "../../core/ops-types.js";
import { tidy } from "../../core/scope.js";
import type { Tensor } from "../../core/tensor.js";
import { locate, type PullOptions } from "../../hub/index.js";
import { checkTexts, copyTokenizer } from "../../text/of_model.js";
import type { Tokenizer } from "../../text/tokenizer.js";
import {
  parseConfig,
  type T5Config,
  type T5ConfigInput,
  type T5Variant,
  variant,
} from "./config.js";
import type { T5Methods } from "./methods.js";
import { loadTokenizer, tokensOf } from "./processing.js";

/** How an encoder is loaded. */
export interface T5LoadOptions
  extends LoadOptions,
    Pick<PullOptions, "revision" | "localFilesOnly" | "token" | "endpoint" | "fetch"> {
  /** A folder with the tokenizer's files, where the model has none beside it. */
  tokenizer?: string | undefined;
}

/** How texts are encoded. */
export interface T5EncodeOptions extends ComposeControl {
  /** Tokens of a text at most, its end mark included; what is longer is cut. Default 256. */
  maxLength?: number | undefined;
  /** Pads all texts to `maxLength` instead of to the longest. Default false. */
  padToMax?: boolean | undefined;
}

/** What texts mean, token by token. Dispose of it when done. */
export class TextFeatures extends Held<{ features: Tensor; mask: Tensor<"int64"> }> {
  /** A vector for each token, zero at padding: [B, N, d] in the dtype of the model. */
  get features(): Tensor {
    return this.tensors.features;
  }

  /** int64 [B, N]: 1 at tokens, 0 at padding. */
  get mask(): Tensor<"int64"> {
    return this.tensors.mask;
  }
}

/**
 * The encoder of T5: texts to a vector for each of their tokens. Imagen and Imagen Video read
 * prompts with it.
 *
 * @example
 * ```ts
 * await using t5 = await T5Encoder.load("google/t5-v1_1-small");
 * using text = await t5.encodeText(["a red square moving left", ""]);
 * console.log(text.features.shape); // [2, N, 512]
 * ```
 */
export class T5Encoder {
  /** The native module below, for what this class does not offer. */
  readonly module: Module<T5Methods>;
  readonly config: T5Config;
  readonly #folder: string | undefined;
  #tokenizer: Promise<Tokenizer> | undefined;

  private constructor(module: Module<T5Methods>, folder: string | undefined) {
    this.module = module;
    this.config = parseConfig(module.config);
    this.#folder = folder;
  }

  /**
   * Loads a folder, or `org/name` from the hub's cache; see `load` and `pull`. Of a whole T5 the
   * encoder alone is read.
   */
  static load(pathOrName: string, options: T5LoadOptions = {}): Job<T5Encoder> {
    return composeJob(options, async (steps) => {
      if (typeof pathOrName !== "string") {
        throw invalidArgument("the model", "a path or a name", pathOrName);
      }
      const plain = withoutControl(options);
      const path = await steps.run(locate(pathOrName, { ...plain, ...steps.control }));
      const module = await steps.run(load<T5Methods>(path, { ...plain, ...steps.control }));
      return T5Encoder.#of(module, options.tokenizer ?? folderOf(path));
    });
  }

  /** Makes an encoder with random weights: of a published size, or of any config. */
  static random(model: T5Variant | T5ConfigInput, options: T5LoadOptions = {}): Job<T5Encoder> {
    return composeJob(options, async (steps) => {
      const config = typeof model === "string" ? variant(model) : parseConfig(model);
      const control = { ...withoutControl(options), ...steps.control };
      const module = await steps.run(createModule<T5Methods>(config, control));
      return T5Encoder.#of(module, options.tokenizer);
    });
  }

  static #of(module: Module<T5Methods>, folder: string | undefined): T5Encoder {
    const { model_type: type } = module.config;
    if (type === "t5") return new T5Encoder(module, folder);
    module.dispose();
    throw invalidArgument("the model", "a model of type t5", type);
  }

  /** Reads texts. An empty one is read as its end mark alone, which is the empty condition. */
  encodeText(texts: string | readonly string[], options: T5EncodeOptions = {}): Job<TextFeatures> {
    return composeJob(options, async (steps) => {
      const list = typeof texts === "string" ? [texts] : texts;
      checkTexts(list);
      const { maxLength = 256, padToMax = false } = options;
      checkWholeNumber("maxLength", maxLength, 1);
      const tokenizer = await this.tokenizer();
      return await tidy(async () => {
        const tokens = tokensOf(tokenizer, list, maxLength, padToMax ? "max" : "longest");
        const job = this.module.call("encode", { ...tokens }, { ...steps.control });
        const { last_hidden_state } = await steps.run(job);
        const seen = ops.unsqueeze(tokens.attention_mask, -1).to(last_hidden_state.dtype);
        // The mask was made on the CPU.
        const features = ops.mul(last_hidden_state, seen.to(last_hidden_state.device as Device));
        return new TextFeatures({ features, mask: tokens.attention_mask });
      });
    });
  }

  /** The tokenizer of the model's folder. Rejects with `UNSUPPORTED` where there is none. */
  tokenizer(): Promise<Tokenizer> {
    if (this.#folder === undefined) {
      const message = "expected a model with a tokenizer beside it but received one without";
      return Promise.reject(new TorchsightError("UNSUPPORTED", message));
    }
    const loading = this.#tokenizer ?? loadTokenizer(this.#folder, this.config);
    this.#tokenizer = loading;
    // What failed once may be mended and tried again.
    loading.catch(() => {
      this.#tokenizer = undefined;
    });
    return loading;
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
