/**
 * Configs of `model_type: gemma` and `gemma2`, and the published sizes.
 *
 * Sources: Gemma Team, "Gemma: Open Models Based on Gemini Research and Technology", arXiv
 * 2403.08295, table 1; "Gemma 2: Improving Open Language Models at a Practical Size", arXiv
 * 2408.00118, table 1.
 */
import { type GemmaConfig, type GemmaConfigInput, parseGemma } from "../../configs/gemma.js";
import { badField } from "../../core/config.js";

export type {
  Gemma1Config,
  Gemma2Config,
  GemmaConfig,
  GemmaConfigInput,
} from "../../configs/gemma.js";

/** A complete config from the contents of a `config.json`. Throws `BAD_CONFIG`. */
export const parseConfig = (input: unknown): GemmaConfig => parseGemma(input);

/** The published sizes: arXiv 2403.08295, table 1 (first two), and arXiv 2408.00118, table 1. */
export const VARIANTS = {
  "gemma-2b": {
    model_type: "gemma",
    hidden_size: 2048,
    intermediate_size: 16384,
    num_hidden_layers: 18,
    num_attention_heads: 8,
    num_key_value_heads: 1,
  },
  "gemma-7b": { model_type: "gemma" },
  "gemma-2-2b": { model_type: "gemma2" },
  "gemma-2-9b": {
    model_type: "gemma2",
    hidden_size: 3584,
    intermediate_size: 14336,
    num_hidden_layers: 42,
    num_attention_heads: 16,
    num_key_value_heads: 8,
  },
  "gemma-2-27b": {
    model_type: "gemma2",
    hidden_size: 4608,
    intermediate_size: 36864,
    num_hidden_layers: 46,
    num_attention_heads: 32,
    num_key_value_heads: 16,
    head_dim: 128,
    query_pre_attn_scalar: 144,
  },
} as const satisfies Record<string, GemmaConfigInput>;

export type GemmaVariant = keyof typeof VARIANTS;

/** The config of a published size. Throws `BAD_CONFIG` for unknown names. */
export function variant(name: GemmaVariant): GemmaConfig {
  if (Object.hasOwn(VARIANTS, name)) return parseConfig(VARIANTS[name]);
  throw badField("the variant", `one of ${Object.keys(VARIANTS).join(", ")}`, name);
}
