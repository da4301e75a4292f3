/**
 * Configs of SigLIP's and SigLIP 2's model types, as transformers has them, and published sizes.
 *
 * Sources: Zhai et al., "Sigmoid Loss for Language Image Pre-Training", arXiv 2303.15343; Tschannen
 * et al., "SigLIP 2: Multilingual Vision-Language Encoders", arXiv 2502.14786; the sizes are those
 * of the public checkpoints.
 */
import {
  parseSiglipVision,
  type SiglipVisionConfig,
  towerFields,
} from "../../configs/siglip_vision.js";
import {
  badField,
  type FieldSpec,
  flag,
  integer,
  objectOf,
  oneOf,
  parseFields,
} from "../../core/config.js";

export type { SiglipVisionConfig } from "../../configs/siglip_vision.js";

/** The image tower of SigLIP 2's NaFlex models. */
export interface Siglip2VisionConfig extends Omit<SiglipVisionConfig, "model_type" | "image_size"> {
  model_type: "siglip2_vision_model";
  /** Positions of the table, a square number. */
  num_patches: number;
}

/** The text tower. */
export interface SiglipTextConfig {
  model_type: "siglip_text_model" | "siglip2_text_model";
  hidden_size: number;
  intermediate_size: number;
  num_hidden_layers: number;
  num_attention_heads: number;
  hidden_act: SiglipVisionConfig["hidden_act"];
  layer_norm_eps: number;
  vocab_size: number;
  /** Tokens of a text at most. */
  max_position_embeddings: number;
  /** Width of the embeddings. */
  projection_size: number;
}

/** Both towers. */
export interface SiglipBothConfig {
  model_type: "siglip" | "siglip2";
  architectures: readonly string[];
  vision_config: SiglipVisionConfig | Siglip2VisionConfig;
  text_config: SiglipTextConfig;
}

export type SiglipConfig =
  | SiglipBothConfig
  | SiglipVisionConfig
  | Siglip2VisionConfig
  | SiglipTextConfig;

type PartialOf<T> = T extends unknown ? Partial<T> : never;

/** What a user may say of a config; all else has a default. */
export type SiglipConfigInput = { model_type: SiglipConfig["model_type"] } & Partial<
  Omit<SiglipBothConfig, "model_type" | "vision_config" | "text_config">
> & {
    vision_config?: PartialOf<SiglipBothConfig["vision_config"]> | undefined;
    text_config?: Partial<SiglipTextConfig> | undefined;
  };

/** All model types. */
export const MODEL_TYPES = [
  "siglip",
  "siglip_vision_model",
  "siglip_text_model",
  "siglip2",
  "siglip2_vision_model",
  "siglip2_text_model",
] as const;

/**
 * A complete config from the contents of a `config.json`: every field checked, defaults filled in.
 * Extra fields, of which transformers writes many, are left out. Throws `BAD_CONFIG`.
 */
export function parseConfig(input: unknown): SiglipConfig {
  const given = objectOf(input, "the config");
  const type = given.model_type as (typeof MODEL_TYPES)[number];
  switch (type) {
    case "siglip":
    case "siglip2":
      return both(given, type);
    case "siglip_vision_model":
      return parseSiglipVision(given);
    case "siglip2_vision_model":
      return flexibleVision(given);
    case "siglip_text_model":
    case "siglip2_text_model":
      return text(given, type);
    default:
      throw badField("model_type", `one of ${MODEL_TYPES.join(", ")}`, type);
  }
}

function both(given: Record<string, unknown>, model_type: "siglip" | "siglip2"): SiglipBothConfig {
  const second = model_type === "siglip2";
  const vision = objectOf(given.vision_config ?? {}, "vision_config");
  const vision_config = second
    ? flexibleVision(vision, "vision_config.")
    : parseSiglipVision(vision, "vision_config.");
  const text_config = text(
    objectOf(given.text_config ?? {}, "text_config"),
    second ? "siglip2_text_model" : "siglip_text_model",
    "text_config.",
  );
  const { projection_size } = text_config;
  if (projection_size !== vision_config.hidden_size) {
    const expected = `${vision_config.hidden_size}, as vision_config.hidden_size,`;
    throw badField("text_config.projection_size", expected, projection_size);
  }
  if (!vision_config.vision_use_head) {
    throw badField("vision_config.vision_use_head", "true for a model of both towers", false);
  }
  const architectures = [second ? "Siglip2Model" : "SiglipModel"];
  return { model_type, architectures, vision_config, text_config };
}

function flexibleVision(given: Record<string, unknown>, where = ""): Siglip2VisionConfig {
  const config = parseFields<Siglip2VisionConfig>(
    given,
    {
      ...towerFields(768, 3072),
      model_type: { check: oneOf("siglip2_vision_model"), fallback: "siglip2_vision_model" },
      num_channels: { check: integer(1), fallback: 3 },
      num_patches: { check: square, fallback: 256 },
      patch_size: { check: integer(1), fallback: 16 },
      vision_use_head: { check: flag, fallback: true },
    },
    where,
  );
  checkHeads(config, where);
  return config;
}

const square = (name: string, value: unknown) => {
  if (Number.isInteger(Math.sqrt(integer(1)(name, value) as number))) return value;
  throw badField(name, "a square number", value);
};

function text(
  given: Record<string, unknown>,
  model_type: SiglipTextConfig["model_type"],
  where = "",
): SiglipTextConfig {
  const fields: Record<keyof SiglipTextConfig, FieldSpec> = {
    ...towerFields(768, 3072),
    model_type: { check: () => model_type, fallback: model_type },
    vocab_size: { check: integer(1), fallback: 32000 },
    max_position_embeddings: { check: integer(1), fallback: 64 },
    projection_size: { check: integer(1), fallback: given.hidden_size ?? 768 },
  };
  const config = parseFields<SiglipTextConfig>(given, fields, where);
  checkHeads(config, where);
  return config;
}

function checkHeads(
  { hidden_size, num_attention_heads }: { hidden_size: number; num_attention_heads: number },
  where: string,
): void {
  if (hidden_size % num_attention_heads === 0) return;
  const expected = `a multiple of num_attention_heads = ${num_attention_heads}`;
  throw badField(`${where}hidden_size`, expected, hidden_size);
}

const LARGE = {
  hidden_size: 1024,
  intermediate_size: 4096,
  num_hidden_layers: 24,
  num_attention_heads: 16,
};
const SO400M = {
  hidden_size: 1152,
  intermediate_size: 4304,
  num_hidden_layers: 27,
  num_attention_heads: 16,
};
const GIANT = {
  hidden_size: 1536,
  intermediate_size: 6144,
  num_hidden_layers: 40,
  num_attention_heads: 16,
};
/** The vocabularies of mC4 and of Gemma. */
const MULTILINGUAL = { vocab_size: 250000 };
const GEMMA = { vocab_size: 256000 };

/** A SigLIP of that size at that resolution. */
const siglip = (size: object, image_size: number, patch_size: number, text: object = {}) => ({
  model_type: "siglip" as const,
  vision_config: { ...size, image_size, patch_size },
  text_config: { ...size, ...text },
});

/** The published sizes: arXiv 2303.15343, table 1, and arXiv 2502.14786, table 1. */
export const VARIANTS = {
  "siglip-base-patch16-224": siglip({}, 224, 16),
  "siglip-base-patch16-256": siglip({}, 256, 16),
  "siglip-base-patch16-384": siglip({}, 384, 16),
  "siglip-base-patch16-512": siglip({}, 512, 16),
  "siglip-base-patch16-256-multilingual": siglip({}, 256, 16, MULTILINGUAL),
  "siglip-large-patch16-256": siglip(LARGE, 256, 16),
  "siglip-large-patch16-384": siglip(LARGE, 384, 16),
  "siglip-so400m-patch14-224": siglip(SO400M, 224, 14, { max_position_embeddings: 16 }),
  "siglip-so400m-patch14-384": siglip(SO400M, 384, 14),
  "siglip-so400m-patch16-256-i18n": siglip(SO400M, 256, 16, MULTILINGUAL),
  "siglip2-base-patch16-224": siglip({}, 224, 16, GEMMA),
  "siglip2-base-patch16-256": siglip({}, 256, 16, GEMMA),
  "siglip2-base-patch16-384": siglip({}, 384, 16, GEMMA),
  "siglip2-base-patch16-512": siglip({}, 512, 16, GEMMA),
  "siglip2-base-patch32-256": siglip({}, 256, 32, GEMMA),
  "siglip2-large-patch16-256": siglip(LARGE, 256, 16, GEMMA),
  "siglip2-large-patch16-384": siglip(LARGE, 384, 16, GEMMA),
  "siglip2-large-patch16-512": siglip(LARGE, 512, 16, GEMMA),
  "siglip2-so400m-patch14-224": siglip(SO400M, 224, 14, GEMMA),
  "siglip2-so400m-patch14-384": siglip(SO400M, 384, 14, GEMMA),
  "siglip2-so400m-patch16-256": siglip(SO400M, 256, 16, GEMMA),
  "siglip2-so400m-patch16-384": siglip(SO400M, 384, 16, GEMMA),
  "siglip2-so400m-patch16-512": siglip(SO400M, 512, 16, GEMMA),
  "siglip2-giant-opt-patch16-256": {
    ...siglip(GIANT, 256, 16),
    text_config: { ...SO400M, ...GEMMA, projection_size: 1536 },
  },
  "siglip2-giant-opt-patch16-384": {
    ...siglip(GIANT, 384, 16),
    text_config: { ...SO400M, ...GEMMA, projection_size: 1536 },
  },
  "siglip2-base-patch16-naflex": {
    model_type: "siglip2" as const,
    vision_config: { patch_size: 16 },
    text_config: GEMMA,
  },
  "siglip2-so400m-patch16-naflex": {
    model_type: "siglip2" as const,
    vision_config: { ...SO400M, patch_size: 16 },
    text_config: { ...SO400M, ...GEMMA },
  },
} satisfies Record<string, SiglipConfigInput>;

export type SiglipVariant = keyof typeof VARIANTS;

/** The config of a published size. Throws `BAD_CONFIG` for unknown names. */
export function variant(name: SiglipVariant): SiglipConfig {
  if (Object.hasOwn(VARIANTS, name)) return parseConfig(VARIANTS[name]);
  throw badField("the variant", `one of ${Object.keys(VARIANTS).join(", ")}`, name);
}
