/**
 * Configs of `model_type: imagen_video_unet`, one stage of a cascade, and reference sizes.
 *
 * Source: Ho et al., "Imagen Video: High Definition Video Generation with Diffusion Models", arXiv
 * 2210.02303. The paper publishes how many parameters each stage has (figure 6), but neither widths
 * nor depths: those below are chosen so that the counts come out.
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
} from "../../core/config.js";

/** One stage's network. Lists have an entry for each resolution, the finest first. */
export interface ImagenVideoConfig {
  model_type: "imagen_video_unet";
  /** `plain`: attention behind each block, a middle; `efficient`: resampled before the blocks. */
  kind: "plain" | "efficient";
  /** Channels of the finest level before `dim_mults`. */
  dim: number;
  dim_mults: readonly number[];
  /** Residual blocks on the way down. */
  blocks: readonly number[];
  /** 1 where the pixels of a frame see each other. */
  self_attention: readonly number[];
  /** 1 where they see the text. */
  text_attention: readonly number[];
  /** How frames see each other. */
  temporal: "attention" | "convolution" | "both" | "none";
  channels: number;
  /** Channels of the small video that a stage enlarges; 0: none. */
  low_res_channels: number;
  /** Whether it takes the weight of guidance, as distilled networks do. */
  guidance_input: boolean;
  text_width: number;
  context_width: number;
  head_dim: number;
  feed_forward_mult: number;
  /** `group`: over groups of channels of a frame; `rms`: over the channels of each pixel. */
  norm: "group" | "rms";
  norm_groups: number;
  norm_eps: number;
  /** Buckets of how far apart frames are, and the distance from which all share one. */
  frame_buckets: number;
  frame_distance: number;
}

/** What a user may say of a config; all else has a default. */
export type ImagenVideoConfigInput = {
  model_type: "imagen_video_unet";
} & Partial<ImagenVideoConfig>;

const list =
  (least: number, most: number): Field =>
  (name, value) => {
    const fits = (one: unknown) =>
      Number.isSafeInteger(one) && (one as number) >= least && (one as number) <= most;
    if (Array.isArray(value) && value.length > 0 && value.every(fits)) return value;
    throw badField(name, `a list of integers from ${least} to ${most}`, value);
  };

const FIELDS: Record<keyof ImagenVideoConfig, FieldSpec> = {
  model_type: { check: oneOf("imagen_video_unet"), fallback: "imagen_video_unet" },
  kind: { check: oneOf("plain", "efficient"), fallback: "plain" },
  dim: { check: integer(4), fallback: 128 },
  dim_mults: { check: list(1, 64), fallback: [1, 2, 3, 4] },
  blocks: { check: list(1, 64), fallback: [3, 3, 3, 3] },
  self_attention: { check: list(0, 1), fallback: [1, 1, 1, 1] },
  text_attention: { check: list(0, 1), fallback: [1, 1, 1, 1] },
  temporal: { check: oneOf("attention", "convolution", "both", "none"), fallback: "attention" },
  channels: { check: integer(1), fallback: 3 },
  low_res_channels: { check: integer(0), fallback: 0 },
  guidance_input: { check: flag, fallback: false },
  text_width: { check: integer(1), fallback: 4096 },
  context_width: { check: integer(1), fallback: 1024 },
  head_dim: { check: integer(1), fallback: 64 },
  feed_forward_mult: { check: integer(1), fallback: 2 },
  norm: { check: oneOf("group", "rms"), fallback: "group" },
  norm_groups: { check: integer(1), fallback: 32 },
  norm_eps: { check: positive(1), fallback: 1e-6 },
  frame_buckets: { check: integer(4), fallback: 32 },
  frame_distance: { check: integer(2), fallback: 32 },
};

const LISTS = ["blocks", "self_attention", "text_attention"] as const;

/** A complete config, every field checked, defaults filled in. Throws `BAD_CONFIG`. */
export function parseConfig(input: unknown): ImagenVideoConfig {
  const config = parseFields<ImagenVideoConfig>(objectOf(input, "the config"), FIELDS);
  const levels = config.dim_mults.length;
  if (levels > 8) throw badField("dim_mults", "at most 8 levels", config.dim_mults);
  for (const name of LISTS) {
    if (config[name].length === levels) continue;
    throw badField(name, `${levels} entries, one for each of dim_mults`, config[name]);
  }
  return config;
}

/** What height and width of a stage's videos must be multiples of. */
export function strideOf({ kind, dim_mults }: ImagenVideoConfig): number {
  return 2 ** (dim_mults.length - (kind === "plain" ? 1 : 0));
}

const PLAIN = {
  model_type: "imagen_video_unet",
  kind: "plain",
  dim_mults: [1, 2, 3, 4],
  blocks: [3, 3, 3, 3],
} as const;
/** A stage that enlarges, in space or time. */
const LARGER = { temporal: "convolution", low_res_channels: 3 } as const;
const EFFICIENT = {
  ...PLAIN,
  ...LARGER,
  kind: "efficient",
  dim_mults: [1, 2, 4, 8],
  self_attention: [0, 0, 0, 0],
  text_attention: [0, 0, 0, 1],
} as const;

/** The seven stages in order: arXiv 2210.02303, figure 6, whose counts are in the remarks. */
export const VARIANTS = {
  /** 16 frames of 24 x 40, 5.6 B. */
  base: { ...PLAIN, dim: 768, context_width: 2048 },
  /** 32 frames of 24 x 40, 1.7 B. */
  tsr1: {
    ...PLAIN,
    ...LARGER,
    dim: 416,
    self_attention: [0, 0, 0, 0],
    text_attention: [0, 1, 1, 1],
    head_dim: 32,
  },
  /** 32 frames of 48 x 80, 1.4 B. */
  ssr1: {
    ...PLAIN,
    ...LARGER,
    dim: 384,
    blocks: [2, 3, 3, 3],
    self_attention: [0, 0, 1, 1],
    text_attention: [0, 1, 1, 1],
  },
  /** 32 frames of 192 x 320, 1.2 B. */
  ssr2: { ...EFFICIENT, dim: 192, blocks: [2, 4, 8, 8], self_attention: [0, 0, 0, 1] },
  /** 64 frames of 192 x 320, 780 M. */
  tsr2: { ...EFFICIENT, dim: 160, blocks: [2, 4, 8, 8] },
  /** 128 frames of 192 x 320, 630 M. */
  tsr3: { ...EFFICIENT, dim: 128, blocks: [2, 4, 8, 11] },
  /** 128 frames of 768 x 1280, 340 M. */
  ssr3: { ...EFFICIENT, dim: 128, blocks: [2, 4, 6, 4] },
} satisfies Record<string, ImagenVideoConfigInput>;

export type ImagenVideoVariant = keyof typeof VARIANTS;

/** The config of a reference stage. Throws `BAD_CONFIG` for unknown names. */
export function variant(name: ImagenVideoVariant): ImagenVideoConfig {
  if (Object.hasOwn(VARIANTS, name)) return parseConfig(VARIANTS[name]);
  throw badField("the variant", `one of ${Object.keys(VARIANTS).join(", ")}`, name);
}
