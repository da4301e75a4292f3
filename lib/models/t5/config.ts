/**
 * Configs of `model_type: t5`, as transformers has them, and published sizes.
 *
 * Sources: Raffel et al., "Exploring the Limits of Transfer Learning with a Unified Text-to-Text
 * Transformer", arXiv 1910.10683; version 1.1 with gated GELU after Shazeer, arXiv 2002.05202; the
 * sizes are those of the public checkpoints.
 */
import {
  badField,
  type FieldSpec,
  integer,
  objectOf,
  oneOf,
  parseFields,
  positive,
} from "../../core/config.js";

/** What the encoder needs of a config; what concerns the decoder is left out. */
export interface T5Config {
  model_type: "t5";
  architectures: readonly string[];
  vocab_size: number;
  /** Width of the tokens. */
  d_model: number;
  /** Width of a head; all heads together need not be `d_model`. */
  d_kv: number;
  d_ff: number;
  num_layers: number;
  num_heads: number;
  relative_attention_num_buckets: number;
  relative_attention_max_distance: number;
  layer_norm_epsilon: number;
  /** `relu` of T5, `gated-gelu` of T5 v1.1. */
  feed_forward_proj: "relu" | "gated-gelu";
  is_encoder_decoder: boolean;
}

/** What a user may say of a config; all else has a default. */
export type T5ConfigInput = { model_type: "t5" } & Partial<T5Config>;

const FIELDS: Record<keyof T5Config, FieldSpec> = {
  model_type: { check: oneOf("t5"), fallback: "t5" },
  // Whatever the file was saved from, the encoder is what is here.
  architectures: { check: () => ["T5EncoderModel"], fallback: [] },
  vocab_size: { check: integer(1), fallback: 32128 },
  d_model: { check: integer(1), fallback: 512 },
  d_kv: { check: integer(1), fallback: 64 },
  d_ff: { check: integer(1), fallback: 2048 },
  num_layers: { check: integer(1), fallback: 6 },
  num_heads: { check: integer(1), fallback: 8 },
  relative_attention_num_buckets: { check: integer(4), fallback: 32 },
  relative_attention_max_distance: { check: integer(1), fallback: 128 },
  layer_norm_epsilon: { check: positive(1), fallback: 1e-6 },
  feed_forward_proj: { check: oneOf("relu", "gated-gelu"), fallback: "relu" },
  is_encoder_decoder: { check: () => false, fallback: false },
};

/**
 * A complete config from the contents of a `config.json`: every field checked, defaults filled in.
 * Extra fields, of which transformers writes many, are left out. Throws `BAD_CONFIG`.
 */
export function parseConfig(input: unknown): T5Config {
  const given = objectOf(input, "the config");
  if (given.model_type === undefined) throw badField("model_type", "t5", undefined);
  const config = parseFields<T5Config>(given, FIELDS);
  const { relative_attention_num_buckets: buckets, relative_attention_max_distance: most } = config;
  if (buckets % 4 !== 0)
    throw badField("relative_attention_num_buckets", "a multiple of 4", buckets);
  if (most <= buckets / 4) {
    throw badField("relative_attention_max_distance", `more than ${buckets / 4}`, most);
  }
  return config;
}

/** A T5 v1.1 of that size. */
const gated = (d_model: number, d_ff: number, num_layers: number, num_heads: number) => ({
  model_type: "t5" as const,
  feed_forward_proj: "gated-gelu" as const,
  d_model,
  d_ff,
  num_layers,
  num_heads,
});

/**
 * The published sizes of T5 v1.1, whose encoders have so many parameters, tokens included. Imagen
 * Video reads with the last one: arXiv 2210.02303, figure 6.
 */
export const VARIANTS = {
  "t5-v1_1-small": gated(512, 1024, 8, 6), // 35.3 M
  "t5-v1_1-base": gated(768, 2048, 12, 12), // 109.6 M
  "t5-v1_1-large": gated(1024, 2816, 24, 16), // 341.2 M
  "t5-v1_1-xl": gated(2048, 5120, 24, 32), // 1,223.5 M
  "t5-v1_1-xxl": gated(4096, 10240, 24, 64), // 4,762.3 M
} satisfies Record<string, T5ConfigInput>;

export type T5Variant = keyof typeof VARIANTS;

/** The config of a published size. Throws `BAD_CONFIG` for unknown names. */
export function variant(name: T5Variant): T5Config {
  if (Object.hasOwn(VARIANTS, name)) return parseConfig(VARIANTS[name]);
  throw badField("the variant", `one of ${Object.keys(VARIANTS).join(", ")}`, name);
}
