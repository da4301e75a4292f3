/**
 * Configs of `model_type: vit22b`, the named variants, and how many parameters they come to.
 *
 * Sources: Dehghani et al., "Scaling Vision Transformers to 22 Billion Parameters", arXiv
 * 2302.05442 (the 22B row of its table 1); big_vision's `models/vit.py`, `decode_variant` (all
 * other rows).
 */
import {
  badField,
  type Field,
  type FieldSpec,
  flag,
  integer,
  objectOf,
  oneOf,
  parseFields,
  positive,
  refuseMisspelt,
} from "../../core/config.js";

/** The fields of `config.json`. {@link parseConfig} fills those that a file leaves out. */
export interface ViT22BConfig {
  model_type: "vit22b";
  /** Width of the residual stream, d. */
  hidden_size: number;
  num_hidden_layers: number;
  num_attention_heads: number;
  /** Hidden width of the MLP, F. */
  intermediate_size: number;
  /** Pixels, one number for a square or `[height, width]`. */
  image_size: number | [number, number];
  patch_size: number;
  num_channels: number;
  /** Whether attention and MLP read one norm side by side, or follow each other. */
  block: "parallel" | "sequential";
  /** Kind of the blocks' norms, the final norm and the norm of the MAP head. */
  norm: "rmsnorm" | "layernorm_no_bias" | "layernorm";
  norm_eps: number;
  qk_norm: "layernorm_no_bias" | "rmsnorm" | "none";
  qk_norm_scale: "shared" | "per_head";
  qkv_bias: boolean;
  attention_out_bias: boolean;
  mlp_bias: boolean;
  hidden_act: "gelu_tanh" | "gelu";
  pooling: "map" | "mean" | "token" | "none";
  class_token: boolean;
  /** How positions are resized for other grids than the table's. */
  position_resize: "bilinear" | "bicubic_antialias";
  /** Classes of the head; 0 for none. */
  num_labels: number;
  loss: "sigmoid" | "softmax";
  /** What the biases of a new head are. Default: -10 for `sigmoid`, 0 for `softmax`. */
  init_head_bias?: number;
  /** Names of the classes by index, `"0"` and so on, as transformers' configs have them. */
  id2label?: Record<string, string>;
}

/** What a user must say of a config; all else has a default. */
export type ViT22BConfigInput = Partial<ViT22BConfig> &
  Pick<
    ViT22BConfig,
    "hidden_size" | "num_hidden_layers" | "num_attention_heads" | "intermediate_size"
  >;

/** Size of a variant. */
export interface VariantSize {
  hidden_size: number;
  num_hidden_layers: number;
  intermediate_size: number;
  num_attention_heads: number;
}

const size = (width: number, depth: number, mlp: number, heads: number): VariantSize => ({
  hidden_size: width,
  num_hidden_layers: depth,
  intermediate_size: mlp,
  num_attention_heads: heads,
});

/** Named sizes: width, depth, MLP width, heads. */
export const VARIANTS = {
  mu: size(32, 1, 128, 2), // big_vision: the size for tests
  B: size(768, 12, 3072, 12), // ViT-B, arXiv 2010.11929, table 1
  L: size(1024, 24, 4096, 16), // ViT-L, arXiv 2010.11929, table 1
  G: size(1664, 48, 8192, 16), // ViT-G, arXiv 2106.04560, table 2
  e: size(1792, 56, 15360, 16), // ViT-e, arXiv 2209.06794 (PaLI), table 1
  "22B": size(6144, 48, 24576, 48), // ViT-22B, arXiv 2302.05442, table 1
} as const satisfies Record<string, VariantSize>;

export type ViT22BVariant = keyof typeof VARIANTS;

/**
 * The config of a named variant with ViT-22B's block, patch 14 and a 224 pixel input; `overrides`
 * replace single fields. Throws `BAD_CONFIG`.
 */
export function variant(name: ViT22BVariant, overrides: Partial<ViT22BConfig> = {}): ViT22BConfig {
  if (!Object.hasOwn(VARIANTS, name)) {
    throw badField("the variant", `one of ${Object.keys(VARIANTS).join(", ")}`, name);
  }
  return parseConfig({ ...VARIANTS[name], ...overrides });
}

const MAX_BIAS = 1e3;

const imageSize: Field = (name, value) => {
  const sides = Array.isArray(value) ? value : [value, value];
  if (sides.length === 2 && sides.every((side) => Number.isSafeInteger(side) && side > 0)) {
    return value;
  }
  throw badField(name, "a number of pixels or [height, width]", value);
};

const labelNames: Field = (name, value) => {
  if (value === undefined) return value;
  const names = Object.values(objectOf(value, name));
  if (names.every((label) => typeof label === "string")) return value;
  throw badField(name, "names by index", value);
};

const headBias: Field = (name, value) => {
  if (value === undefined) return value;
  if (typeof value === "number" && Math.abs(value) <= MAX_BIAS) return value;
  throw badField(name, `a number between -${MAX_BIAS} and ${MAX_BIAS}`, value);
};

const FIELDS: Record<keyof ViT22BConfig, FieldSpec> = {
  model_type: { check: oneOf("vit22b"), fallback: "vit22b" },
  hidden_size: { check: integer(1) },
  num_hidden_layers: { check: integer(1) },
  num_attention_heads: { check: integer(1) },
  intermediate_size: { check: integer(1) },
  image_size: { check: imageSize, fallback: 224 },
  patch_size: { check: integer(1), fallback: 14 },
  num_channels: { check: integer(1), fallback: 3 },
  block: { check: oneOf("parallel", "sequential"), fallback: "parallel" },
  norm: { check: oneOf("rmsnorm", "layernorm_no_bias", "layernorm"), fallback: "rmsnorm" },
  norm_eps: { check: positive(1), fallback: 1e-6 },
  qk_norm: {
    check: oneOf("layernorm_no_bias", "rmsnorm", "none"),
    fallback: "layernorm_no_bias",
  },
  qk_norm_scale: { check: oneOf("shared", "per_head"), fallback: "shared" },
  qkv_bias: { check: flag, fallback: false },
  attention_out_bias: { check: flag, fallback: true },
  mlp_bias: { check: flag, fallback: true },
  hidden_act: { check: oneOf("gelu_tanh", "gelu"), fallback: "gelu_tanh" },
  pooling: { check: oneOf("map", "mean", "token", "none"), fallback: "map" },
  class_token: { check: flag, fallback: false },
  position_resize: { check: oneOf("bilinear", "bicubic_antialias"), fallback: "bilinear" },
  num_labels: { check: integer(0), fallback: 0 },
  loss: { check: oneOf("sigmoid", "softmax"), fallback: "sigmoid" },
  init_head_bias: { check: headBias },
  id2label: { check: labelNames },
};

/**
 * A complete config from the contents of a `config.json`: every field checked, defaults filled in.
 * Other tools' extra fields are kept out; one that looks like a misspelt field is refused. Throws
 * `BAD_CONFIG`.
 */
export function parseConfig(input: unknown): ViT22BConfig {
  refuseMisspelt(Object.keys(objectOf(input, "the config")), Object.keys(FIELDS));
  const { id2label, init_head_bias, ...always } = parseFields<ViT22BConfig>(input, FIELDS);
  const config = init_head_bias === undefined ? always : { ...always, init_head_bias };
  checkTogether(config);
  // Without a head, as of other tools' encoders, names mean nothing.
  if (id2label === undefined || config.num_labels === 0) return config;
  const places = Array.from({ length: config.num_labels }, (_, place) => String(place));
  if (Object.keys(id2label).join() !== places.join()) {
    throw badField("id2label", `names of the labels 0 to ${config.num_labels - 1}`, id2label);
  }
  return { ...config, id2label };
}

/** Names of the classes in order; undefined where the config has none. */
export function labelsOf({ id2label }: ViT22BConfig): string[] | undefined {
  return id2label && Object.values(id2label);
}

/** What holds between fields. */
function checkTogether(config: ViT22BConfig): void {
  const { hidden_size, num_attention_heads, patch_size } = config;
  if (hidden_size % num_attention_heads !== 0) {
    throw badField(
      "hidden_size",
      `a multiple of num_attention_heads = ${num_attention_heads}`,
      hidden_size,
    );
  }
  if (imageSides(config).some((side) => side < patch_size)) {
    throw badField("image_size", `at least one patch of ${patch_size} pixels`, config.image_size);
  }
  if (config.pooling === "token" && !config.class_token) {
    throw badField("class_token", "true where pooling is token", false);
  }
}

/** Height and width of the images that the position table is made for. */
export function imageSides(config: ViT22BConfig): [number, number] {
  const { image_size } = config;
  return typeof image_size === "number" ? [image_size, image_size] : image_size;
}

/** Rows and columns of the position table. */
export function gridOf(config: ViT22BConfig): [number, number] {
  const [height, width] = imageSides(config);
  return [Math.floor(height / config.patch_size), Math.floor(width / config.patch_size)];
}
