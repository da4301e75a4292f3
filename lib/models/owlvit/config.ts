/**
 * Configs of `model_type: owlvit` and `owlv2`, as transformers has them, and the published sizes.
 *
 * Sources: Minderer et al., "Simple Open-Vocabulary Object Detection with Vision Transformers",
 * arXiv 2205.06230, and "Scaling Open-Vocabulary Object Detection", arXiv 2306.09683; the sizes are
 * those of the public checkpoints (scenic, `projects/owl_vit/configs`).
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

/** One of the two towers. */
export interface TowerConfig {
  hidden_size: number;
  intermediate_size: number;
  num_hidden_layers: number;
  num_attention_heads: number;
  hidden_act: "quick_gelu" | "gelu" | "gelu_pytorch_tanh" | "gelu_new";
  layer_norm_eps: number;
}

/** The image tower. */
export interface VisionConfig extends TowerConfig {
  num_channels: number;
  /** Pixels of a side. */
  image_size: number;
  patch_size: number;
}

/** The text tower. */
export interface TextConfig extends TowerConfig {
  vocab_size: number;
  /** Tokens of a query at most, with those of start and end. */
  max_position_embeddings: number;
}

/** The fields of `config.json`. {@link parseConfig} fills those that a file leaves out. */
export interface OwlViTConfig {
  model_type: "owlvit" | "owlv2";
  architectures: readonly string[];
  vision_config: VisionConfig;
  text_config: TextConfig;
  /** Width of the embeddings of queries and patches; the text tower's own. */
  projection_dim: number;
  logit_scale_init_value: number;
  /** Our own: epsilon of the norm after merging the class token. Default the tower's. */
  merged_norm_eps: number;
  /** Our own: the heads' GELU, `erf` as in transformers or `tanh` as in scenic. */
  head_gelu: "erf" | "tanh";
  /** Our own: whether patches are multiplied by the class token and normed, or it is dropped. */
  merge_class_token: "mul-ln" | "drop";
  /** Our own: what boxes start from: their cell's corner and size, or one of them. */
  box_bias: "both" | "location" | "size";
}

/** What a user may say of a config; all else has a default. */
export type OwlViTConfigInput = Partial<Omit<OwlViTConfig, "vision_config" | "text_config">> & {
  model_type: "owlvit" | "owlv2";
  vision_config?: Partial<VisionConfig> | undefined;
  text_config?: Partial<TextConfig> | undefined;
};

const ARCHITECTURES = {
  owlvit: "OwlViTForObjectDetection",
  owlv2: "Owlv2ForObjectDetection",
} as const;

type Fields<T> = Record<keyof T & string, FieldSpec>;

const tower = (width: number, hidden: number, heads: number): Fields<TowerConfig> => ({
  hidden_size: { check: integer(1), fallback: width },
  intermediate_size: { check: integer(1), fallback: hidden },
  num_hidden_layers: { check: integer(1), fallback: 12 },
  num_attention_heads: { check: integer(1), fallback: heads },
  hidden_act: {
    check: oneOf("quick_gelu", "gelu", "gelu_pytorch_tanh", "gelu_new"),
    fallback: "quick_gelu",
  },
  layer_norm_eps: { check: positive(1), fallback: 1e-5 },
});

const visionFields = (patch: number): Fields<VisionConfig> => ({
  ...tower(768, 3072, 12),
  num_channels: { check: integer(1), fallback: 3 },
  image_size: { check: integer(1), fallback: 768 },
  patch_size: { check: integer(1), fallback: patch },
});

const TEXT_FIELDS: Fields<TextConfig> = {
  ...tower(512, 2048, 8),
  vocab_size: { check: integer(1), fallback: 49408 },
  max_position_embeddings: { check: integer(1), fallback: 16 },
};

/**
 * A complete config from the contents of a `config.json`: every field checked, defaults filled in.
 * Extra fields, of which transformers writes many, are left out. Throws `BAD_CONFIG`.
 */
export function parseConfig(input: unknown): OwlViTConfig {
  const given = objectOf(input, "the config");
  const type = given.model_type;
  if (type !== "owlvit" && type !== "owlv2") throw badField("model_type", "owlvit or owlv2", type);
  const patch = type === "owlv2" ? 16 : 32;
  const vision_config = parseFields<VisionConfig>(
    given.vision_config ?? {},
    visionFields(patch),
    "vision_config.",
  );
  const text_config = parseFields<TextConfig>(given.text_config ?? {}, TEXT_FIELDS, "text_config.");
  type Rest = Omit<OwlViTConfig, "vision_config" | "text_config" | "architectures">;
  const rest = parseFields<Rest>(given, {
    model_type: { check: oneOf("owlvit", "owlv2") },
    projection_dim: { check: integer(1), fallback: 512 },
    logit_scale_init_value: { check: positive(100), fallback: 2.6592 },
    merged_norm_eps: { check: positive(1), fallback: vision_config.layer_norm_eps },
    head_gelu: { check: oneOf("erf", "tanh"), fallback: "erf" },
    merge_class_token: { check: oneOf("mul-ln", "drop"), fallback: "mul-ln" },
    box_bias: { check: oneOf("both", "location", "size"), fallback: "both" },
  });
  const config = { ...rest, architectures: [ARCHITECTURES[type]], vision_config, text_config };
  checkTogether(config);
  return config;
}

/** What holds between fields. */
function checkTogether({ vision_config, text_config, projection_dim }: OwlViTConfig): void {
  for (const [name, tower] of Object.entries({ vision_config, text_config })) {
    const { hidden_size, num_attention_heads } = tower;
    if (hidden_size % num_attention_heads === 0) continue;
    throw badField(
      `${name}.hidden_size`,
      `a multiple of num_attention_heads = ${num_attention_heads}`,
      hidden_size,
    );
  }
  const { image_size, patch_size } = vision_config;
  if (image_size < patch_size) {
    throw badField("vision_config.image_size", `at least one patch of ${patch_size}`, image_size);
  }
  if (projection_dim !== text_config.hidden_size) {
    throw badField(
      "projection_dim",
      `${text_config.hidden_size}, as the text tower,`,
      projection_dim,
    );
  }
}

const B_TEXT = { hidden_size: 512, intermediate_size: 2048, num_attention_heads: 8 };
const L_VISION = {
  hidden_size: 1024,
  intermediate_size: 4096,
  num_hidden_layers: 24,
  num_attention_heads: 16,
  patch_size: 14,
};
const L_TEXT = { hidden_size: 768, intermediate_size: 3072, num_attention_heads: 12 };

/** The published sizes: arXiv 2205.06230, table 1 (first three), and arXiv 2306.09683, table 1. */
export const VARIANTS = {
  "owlvit-base-patch32": {
    model_type: "owlvit",
    vision_config: { image_size: 768, patch_size: 32 },
    text_config: B_TEXT,
    projection_dim: 512,
  },
  "owlvit-base-patch16": {
    model_type: "owlvit",
    vision_config: { image_size: 768, patch_size: 16 },
    text_config: B_TEXT,
    projection_dim: 512,
  },
  "owlvit-large-patch14": {
    model_type: "owlvit",
    vision_config: { ...L_VISION, image_size: 840 },
    text_config: L_TEXT,
    projection_dim: 768,
  },
  "owlv2-base-patch16": {
    model_type: "owlv2",
    vision_config: { image_size: 960, patch_size: 16 },
    text_config: B_TEXT,
    projection_dim: 512,
  },
  "owlv2-large-patch14": {
    model_type: "owlv2",
    vision_config: { ...L_VISION, image_size: 1008 },
    text_config: L_TEXT,
    projection_dim: 768,
  },
} as const satisfies Record<string, OwlViTConfigInput>;

export type OwlViTVariant = keyof typeof VARIANTS;

/** The config of a published size. Throws `BAD_CONFIG` for unknown names. */
export function variant(name: OwlViTVariant): OwlViTConfig {
  if (Object.hasOwn(VARIANTS, name)) return parseConfig(VARIANTS[name]);
  throw badField("the variant", `one of ${Object.keys(VARIANTS).join(", ")}`, name);
}
