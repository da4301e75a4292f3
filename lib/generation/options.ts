/** How text is generated, for every system that does. */
import { checkWholeNumber } from "../core/checks.js";
import type { ComposeControl } from "../core/compose.js";
import { invalidArgument } from "../core/errors.js";

/** How tokens are chosen, and when a text ends. */
export interface GenerateOptions extends ComposeControl {
  /** Tokens of a text at most. */
  maxNewTokens?: number | undefined;
  /**
   * Draw tokens instead of taking the likeliest. Default: whether one of `temperature`, `topK`,
   * `topP` and `bestOf` is given.
   */
  sample?: boolean | undefined;
  /** Logits are divided by it before a draw: below 1 likely tokens gain. Default 1. */
  temperature?: number | undefined;
  /** Draw among the k likeliest tokens. Default: among all. */
  topK?: number | undefined;
  /** Draw among the likeliest tokens that together reach this probability. Default 1. */
  topP?: number | undefined;
  /**
   * Of the draws: one for all texts, or one for each. A seed decides on a text whatever else is in
   * the batch. Default 0.
   */
  seed?: number | readonly number[] | undefined;
  /** Hypotheses of a beam search, scored by plain sums of log-probabilities. Default 1: none. */
  beams?: number | undefined;
  /** Draw so many texts and keep the likeliest. Default 1. */
  bestOf?: number | undefined;
  /** Texts that end a text; they are not part of it. */
  stop?: readonly string[] | undefined;
  /** Tokens that end a text, in place of the model's own. */
  stopTokens?: readonly number[] | undefined;
  /** The only tokens that may be chosen. Log-probabilities remain those of the model. */
  allowedTokens?: readonly number[] | undefined;
}

/** The native method's options, under transformers' names. */
export interface GenerateArgs {
  max_new_tokens?: number;
  do_sample?: boolean;
  temperature?: number;
  top_k?: number;
  top_p?: number;
  seeds?: readonly number[];
  num_beams?: number;
  best_of?: number;
  eos_token_id?: readonly number[];
  allowed_token_ids?: readonly number[];
}

/** The options as the native method takes them. Throws `BAD_INPUT`. */
export function generateArgs(options: GenerateOptions, maxNewTokens: number): GenerateArgs {
  const { temperature, topK, topP, beams, bestOf, seed, stopTokens, allowedTokens } = options;
  const sample =
    options.sample ?? [temperature, topK, topP, bestOf].some((one) => one !== undefined);
  const seeds = typeof seed === "number" ? [seed] : seed;
  for (const one of seeds ?? []) checkWholeNumber("seed", one, 0);
  checkStops(options.stop);
  const given = {
    max_new_tokens: options.maxNewTokens ?? maxNewTokens,
    do_sample: sample,
    temperature,
    top_k: topK,
    top_p: topP,
    seeds,
    num_beams: beams,
    best_of: bestOf,
    eos_token_id: stopTokens,
    allowed_token_ids: allowedTokens,
  };
  const entries = Object.entries(given).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as GenerateArgs;
}

function checkStops(stop: unknown): void {
  if (stop === undefined) return;
  const isText = (one: unknown) => typeof one === "string" && one !== "";
  if (Array.isArray(stop) && stop.every(isText)) return;
  throw invalidArgument("stop", "a list of texts that are not empty", stop);
}

/** Whether tokens are told as they come: those that compete with others are not. */
export function streams({ beams = 1, bestOf = 1 }: GenerateOptions): boolean {
  return beams === 1 && bestOf === 1;
}
