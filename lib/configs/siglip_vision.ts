/**
 * Configs of `model_type: siglip_vision_model`, as transformers has them: image towers of their
 * own, and those of other systems (Zhai et al., arXiv 2303.15343).
 */
import {
  badField,
  type FieldSpec,
  flag,
  integer,
  objectOf,
  oneOf,
  parseFields,
  positive,
} from "../core/config.js";

export interface SiglipVisionConfig {
  model_type: "siglip_vision_model";
  hidden_size: number;
  intermediate_size: number;
  num_hidden_layers: number;
  num_attention_heads: number;
  num_channels: number;
  /** Pixels of a side. */
  image_size: number;
  patch_size: number;
  hidden_act: "gelu_pytorch_tanh" | "gelu_new" | "gelu" | "quick_gelu";
  layer_norm_eps: number;
  /** Whether the tower has a pooled vector besides those of its patches. */
  vision_use_head: boolean;
}

/** Fields of SigLIP's towers, of pictures and of texts. */
export const towerFields = (width: number, hidden: number) => ({
  hidden_size: { check: integer(1), fallback: width },
  intermediate_size: { check: integer(1), fallback: hidden },
  num_hidden_layers: { check: integer(1), fallback: 12 },
  num_attention_heads: { check: integer(1), fallback: 12 },
  hidden_act: {
    check: oneOf("gelu_pytorch_tanh", "gelu_new", "gelu", "quick_gelu"),
    fallback: "gelu_pytorch_tanh",
  },
  layer_norm_eps: { check: positive(1), fallback: 1e-6 },
});

const FIELDS: Record<keyof SiglipVisionConfig, FieldSpec> = {
  ...towerFields(768, 3072),
  model_type: { check: oneOf("siglip_vision_model"), fallback: "siglip_vision_model" },
  num_channels: { check: integer(1), fallback: 3 },
  image_size: { check: integer(1), fallback: 224 },
  patch_size: { check: integer(1), fallback: 16 },
  vision_use_head: { check: flag, fallback: true },
};

/**
 * A complete config from what a file says: every field checked, defaults filled in, others left
 * out. `where` stands before names in messages. Throws `BAD_CONFIG`.
 */
export function parseSiglipVision(input: unknown, where = ""): SiglipVisionConfig {
  const given = objectOf(input, where === "" ? "the config" : where.replace(/\.$/, ""));
  const config = parseFields<SiglipVisionConfig>(given, FIELDS, where);
  const { hidden_size, num_attention_heads, image_size, patch_size } = config;
  if (hidden_size % num_attention_heads !== 0) {
    const expected = `a multiple of num_attention_heads = ${num_attention_heads}`;
    throw badField(`${where}hidden_size`, expected, hidden_size);
  }
  if (image_size < patch_size) {
    throw badField(`${where}image_size`, `at least one patch of ${patch_size}`, image_size);
  }
  return config;
}
