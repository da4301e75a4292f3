/**
 * The config and the weights of `model_type: paligemma_masks`, the codec between masks and the
 * `<seg>` tokens: a VQ-VAE from "All in Tokens", Ning et al., arXiv 2301.02229. Its only published
 * file, big_vision's `vae-oid.npz`, comes without a config, so all sizes are read off the tensors.
 */
import {
  badField,
  type Field,
  type FieldSpec,
  flag,
  integer,
  oneOf,
  parseFields,
} from "../../core/config.js";
import type { Dialect, TensorIndex } from "../../core/weights.js";

/** Sizes of a mask codec. {@link parseMaskConfig} fills those that a file leaves out. */
export interface MaskConfig {
  model_type: "paligemma_masks";
  /** Rows of the codebook. */
  codes: number;
  /** Columns of the codebook. */
  embedding_dim: number;
  /** Channels of the decoder's residual blocks. */
  hidden_size: number;
  /** Channels after each of the decoder's four doublings. */
  decoder_channels: readonly number[];
  /** Channels after each of the encoder's four halvings. */
  encoder_channels: readonly number[];
  /** Kernels of the encoder's halvings. */
  encoder_kernels: readonly number[];
  /** Kernels of the three convolutions in each of the encoder's residual blocks. */
  encoder_residual_kernels: readonly number[];
  encoder_last_kernel: number;
  /** Whether there is no encoder: masks can be read, but not written. */
  decoder_only: boolean;
}

const integers =
  (count: number): Field =>
  (name, value) => {
    const fits = (one: unknown) => Number.isSafeInteger(one) && (one as number) > 0;
    if (Array.isArray(value) && value.length === count && value.every(fits)) return value;
    throw badField(name, `${count} integers of at least 1`, value);
  };

const FIELDS: Record<keyof MaskConfig, FieldSpec> = {
  model_type: { check: oneOf("paligemma_masks"), fallback: "paligemma_masks" },
  codes: { check: integer(1), fallback: 128 },
  embedding_dim: { check: integer(1), fallback: 512 },
  hidden_size: { check: integer(1), fallback: 128 },
  decoder_channels: { check: integers(4), fallback: [128, 64, 32, 16] },
  encoder_channels: { check: integers(4), fallback: [128, 128, 128, 128] },
  encoder_kernels: { check: integers(4), fallback: [4, 4, 4, 4] },
  encoder_residual_kernels: { check: integers(3), fallback: [3, 3, 1] },
  encoder_last_kernel: { check: integer(1), fallback: 1 },
  decoder_only: { check: flag, fallback: false },
};

/**
 * A complete config: every field checked, defaults filled in, all other fields left out. Throws
 * `BAD_CONFIG`.
 */
export function parseMaskConfig(input: unknown): MaskConfig {
  return parseFields<MaskConfig>(input, FIELDS);
}

const CODEBOOK = "_vq_vae._embedding";
const RESIDUAL = [0, 2, 4];
const STEPS = [0, 1, 2, 3];

const residuals = (...blocks: string[]) =>
  blocks.flatMap((block) => RESIDUAL.map((place) => `${block}.net.${place}`));

const DECODER = [
  "decoder.0",
  ...residuals("decoder.2", "decoder.3"),
  ...STEPS.map((step) => `decoder.${4 + 2 * step}`),
  "decoder.12",
];
const ENCODER = [
  ...STEPS.map((step) => `encoder.${2 * step}`),
  ...residuals("encoder.8", "encoder.9"),
  "encoder.10",
];
const NAMES = [
  CODEBOOK,
  ...[...DECODER, ...ENCODER].flatMap((name) => [`${name}.weight`, `${name}.bias`]),
];

/** The names of `vae-oid.npz`, which are our own too. */
export const maskDialect: Dialect<MaskConfig> = {
  name: "vae-oid",
  detect: (tensors) => tensors.has(CODEBOOK) && tensors.has("decoder.0.weight"),
  rules: () => NAMES.map((name) => ({ to: name, from: name })),
  // What training keeps of the codebook, and an encoder that is not wanted.
  ignores:
    (_, { decoder_only }) =>
    (name) =>
      (name.startsWith("_vq_vae.") && name !== CODEBOOK) ||
      (decoder_only && name.startsWith("encoder.")),
  inferConfig: (tensors) => inferMaskConfig(tensors),
};

/** The config that the shapes tell. What they cannot tell is refused when the tensors are read. */
export function inferMaskConfig(tensors: TensorIndex): Partial<MaskConfig> {
  // A kernel is [out, in, k, k], or [in, out, k, k] where it doubles.
  const size = (name: string, dim: number) => tensors.get(`${name}.weight`)?.shape[dim] ?? 0;
  const [codes, embedding_dim] = tensors.get(CODEBOOK)?.shape ?? [];
  const decoder = {
    model_type: "paligemma_masks" as const,
    codes: codes ?? 0,
    embedding_dim: embedding_dim ?? 0,
    hidden_size: size("decoder.0", 0),
    decoder_channels: STEPS.map((step) => size(`decoder.${4 + 2 * step}`, 1)),
  };
  if (!ENCODER.some((name) => tensors.has(`${name}.weight`))) {
    return { ...decoder, decoder_only: true };
  }
  return {
    ...decoder,
    encoder_channels: STEPS.map((step) => size(`encoder.${2 * step}`, 0)),
    encoder_kernels: STEPS.map((step) => size(`encoder.${2 * step}`, 2)),
    encoder_residual_kernels: RESIDUAL.map((place) => size(`encoder.8.net.${place}`, 2)),
    encoder_last_kernel: size("encoder.10", 2),
  };
}

/** The codec's part of what this folder tells the core; see `defineSystem`. */
export const maskSystem = {
  modelTypes: ["paligemma_masks"],
  parseConfig: parseMaskConfig,
  dialects: [maskDialect],
} as const;
