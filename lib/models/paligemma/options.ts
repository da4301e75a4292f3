/** How PaliGemma is loaded and asked. */
import type { LoadOptions } from "../../core/load.js";
import type { GenerateOptions } from "../../generation/options.js";
import type { PullOptions } from "../../hub/index.js";
import type { Filter } from "./processing.js";

export interface PaliGemmaLoadOptions
  extends LoadOptions,
    Pick<PullOptions, "revision" | "localFilesOnly" | "token" | "endpoint" | "fetch"> {
  /** A folder with the tokenizer's files, where the model has none beside it. */
  tokenizer?: string | undefined;
  /** The codec of masks: `vae-oid.npz`, or a folder of it. Default: the file beside the model. */
  masks?: string | undefined;
  /** Keeps the decoder's matrices as 8-bit integers with a scale for each row. */
  weights?: "int8" | undefined;
  /** Bound of the decoder's attention scores, 0 for none. Default: the config's. */
  attnSoftcap?: number | undefined;
  /** Bound of the logits, 0 for none. Default 0, as in transformers. */
  finalSoftcap?: number | undefined;
  /**
   * What Gemma 2's windowed layers see: `full` (default), all tokens, as in PaliGemma 2's training,
   * or `hf`, the config's window, as in transformers. It matters beyond 4096 tokens.
   */
  slidingWindow?: "full" | "hf" | undefined;
}

/** How pictures are prepared. */
export interface ImageOptions {
  /** How they are resized. Default: as `preprocessor_config.json` says, else `bicubic`. */
  filter?: Filter | undefined;
}

/** How a prompt is answered. */
export interface PromptOptions extends GenerateOptions, ImageOptions {
  /** What bins of places are divided by: 1024 (default), or 1023 as in evaluations of RefCOCO. */
  locDivisor?: 1024 | 1023 | undefined;
}

/** How a task is answered. */
export interface TaskOptions extends PromptOptions {
  /** The language of the text, by its code. Default `en`. */
  lang?: string | undefined;
}

/** What the native module is told. */
export function moduleOptions(options: PaliGemmaLoadOptions): Pick<LoadOptions, "extra"> {
  const { weights, attnSoftcap, finalSoftcap, slidingWindow = "full", extra } = options;
  return {
    extra: {
      sliding_window: slidingWindow === "hf",
      ...(attnSoftcap !== undefined && { attention_softcap: attnSoftcap }),
      ...(finalSoftcap !== undefined && { final_softcap: finalSoftcap }),
      ...(weights !== undefined && { weights }),
      ...extra,
    },
  };
}
