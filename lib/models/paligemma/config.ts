/**
 * Configs of `model_type: paligemma`, as transformers has them, and the published sizes.
 *
 * Sources: Beyer et al., "PaliGemma: A versatile 3B VLM for transfer", arXiv 2407.07726; Steiner et
 * al., "PaliGemma 2: A Family of Versatile VLMs for Transfer", arXiv 2412.03555, table 1.
 */
import { type GemmaConfig, type GemmaConfigInput, parseGemma } from "../../configs/gemma.js";
import { parseSiglipVision, type SiglipVisionConfig } from "../../configs/siglip_vision.js";
import { badField, flag, integer, objectOf, oneOf, parseFields } from "../../core/config.js";

/** The fields of `config.json`. {@link parseConfig} fills those that a file leaves out. */
export interface PaliGemmaConfig {
  model_type: "paligemma";
  architectures: readonly string[];
  vision_config: SiglipVisionConfig;
  text_config: GemmaConfig;
  /** Width of the vectors of pictures; the decoder's own. */
  projection_dim: number;
  /** Width of the decoder. */
  hidden_size: number;
  /** Stands in a prompt where one vector of a picture goes. */
  image_token_index: number;
  tie_word_embeddings: boolean;
}

/** What a user may say of a config; all else has a default. */
export type PaliGemmaConfigInput = Partial<
  Omit<PaliGemmaConfig, "vision_config" | "text_config">
> & {
  model_type: "paligemma";
  vision_config?: Partial<SiglipVisionConfig> | undefined;
  text_config?: GemmaConfigInput | Partial<Omit<GemmaConfig, "model_type">> | undefined;
};

/** The published tower, SigLIP-So400m/14, and decoder, for what a file without them leaves out. */
const VISION = {
  hidden_size: 1152,
  intermediate_size: 4304,
  num_hidden_layers: 27,
  num_attention_heads: 16,
  patch_size: 14,
};
const GEMMA_2B = {
  model_type: "gemma",
  vocab_size: 257216,
  hidden_size: 2048,
  intermediate_size: 16384,
  num_hidden_layers: 18,
  num_attention_heads: 8,
  num_key_value_heads: 1,
} as const;

/**
 * A complete config from the contents of a `config.json`: every field checked, defaults filled in.
 * Extra fields, of which transformers writes many, are left out. Throws `BAD_CONFIG`.
 */
export function parseConfig(input: unknown): PaliGemmaConfig {
  const given = objectOf(input, "the config");
  const vision = objectOf(given.vision_config ?? VISION, "vision_config");
  const vision_config = parseSiglipVision({ ...vision, vision_use_head: false }, "vision_config.");
  const text_config = parseGemma(given.text_config ?? GEMMA_2B, "text_config.");
  type Rest = Omit<PaliGemmaConfig, "vision_config" | "text_config" | "architectures">;
  const rest = parseFields<Rest>(
    // Its width is that of the decoder: old files carry the default of another one.
    {
      ...given,
      hidden_size: null,
      image_token_index: given.image_token_index ?? given.image_token_id,
    },
    {
      model_type: { check: oneOf("paligemma") },
      projection_dim: { check: integer(1), fallback: text_config.hidden_size },
      hidden_size: { check: integer(1), fallback: text_config.hidden_size },
      image_token_index: { check: integer(0), fallback: 257152 },
      tie_word_embeddings: { check: flag, fallback: true },
    },
  );
  if (rest.projection_dim !== text_config.hidden_size) {
    const expected = `${text_config.hidden_size}, as text_config.hidden_size,`;
    throw badField("projection_dim", expected, rest.projection_dim);
  }
  const architectures = ["PaliGemmaForConditionalGeneration"];
  return { ...rest, architectures, vision_config, text_config };
}

const TEXT = {
  "paligemma-3b": GEMMA_2B,
  "paligemma2-3b": { model_type: "gemma2", vocab_size: 257216 },
  "paligemma2-10b": {
    model_type: "gemma2",
    vocab_size: 257216,
    hidden_size: 3584,
    intermediate_size: 14336,
    num_hidden_layers: 42,
    num_attention_heads: 16,
    num_key_value_heads: 8,
  },
  "paligemma2-28b": {
    model_type: "gemma2",
    vocab_size: 257216,
    hidden_size: 4608,
    intermediate_size: 36864,
    num_hidden_layers: 46,
    num_attention_heads: 32,
    num_key_value_heads: 16,
    head_dim: 128,
    query_pre_attn_scalar: 144,
  },
} as const satisfies Record<string, GemmaConfigInput>;

/** Sides of the published models' pictures in pixels. */
export const RESOLUTIONS = [224, 448, 896] as const;

/** A published size: a decoder and the side of its pictures, e.g. `paligemma2-3b-448`. */
export type PaliGemmaVariant = `${keyof typeof TEXT}-${(typeof RESOLUTIONS)[number]}`;

/** The published sizes: arXiv 2407.07726, section 3, and arXiv 2412.03555, table 1. */
export const VARIANTS: Readonly<Record<PaliGemmaVariant, PaliGemmaConfigInput>> =
  Object.fromEntries(
    Object.entries(TEXT).flatMap(([name, text_config]) =>
      RESOLUTIONS.map((image_size) => [
        `${name}-${image_size}`,
        { model_type: "paligemma", vision_config: { ...VISION, image_size }, text_config },
      ]),
    ),
  ) as Record<PaliGemmaVariant, PaliGemmaConfigInput>;

/** The config of a published size. Throws `BAD_CONFIG` for unknown names. */
export function variant(name: PaliGemmaVariant): PaliGemmaConfig {
  if (Object.hasOwn(VARIANTS, name)) return parseConfig(VARIANTS[name]);
  throw badField("the variant", `one of ${Object.keys(VARIANTS).join(", ")}`, name);
}
