/** The trainer's options as recipes say them. The native trainer has the same bounds. */
import { badField, type Field, flag, integer, objectOf, oneOf, positive } from "../core/config.js";
import type {
  AdapterOptions,
  DiffusionOptions,
  GroupOptions,
  NoiseScheduleOptions,
  OptimizerOptions,
  PlainTrainerOptions,
  ScheduleOptions,
  SmallVideoOptions,
} from "../train/options.js";
import {
  anyObject,
  type Checks,
  checkedFields,
  listOf,
  objectWith,
  optional,
  text,
  within,
} from "./fields.js";

const MOST = 1e6;

/** Every field that an optimizer of that kind has. */
type OptionsOf<K extends OptimizerOptions["kind"]> = Extract<OptimizerOptions, { kind: K }>;

const OPTIMIZERS: { [K in OptimizerOptions["kind"]]: Checks<OptionsOf<K>> } = {
  adamw: {
    kind: text,
    beta1: optional(within(0, 1)),
    beta2: optional(within(0, 1)),
    eps: optional(positive(1)),
  },
  sgd: {
    kind: text,
    momentum: optional(within(0, 1)),
    nesterov: optional(flag),
  },
  adafactor: {
    kind: text,
    momentum: optional(within(0, 1)),
    decay_exponent: optional(positive(10)),
    beta2_cap: optional(positive(1)),
    min_dim_to_factor: optional(integer(1)),
    clip_threshold: optional(within(0, MOST)),
    eps: optional(positive(1)),
  },
};

const optimizer: Field = (name, value) => {
  const kinds = Object.keys(OPTIMIZERS);
  const { kind = "adamw" } = objectOf(value, name);
  oneOf(...kinds)(`${name}.kind`, kind);
  const checks = OPTIMIZERS[kind as OptimizerOptions["kind"]];
  return checkedFields({ ...(value as object), kind }, checks as Checks<object>, `${name}.`);
};

const SCHEDULE: Checks<ScheduleOptions> = {
  kind: optional(oneOf("constant", "linear", "cosine", "rsqrt")),
  peak: optional(positive(MOST)),
  steps: optional(integer(0)),
  warmup: optional(integer(0)),
  cooldown: optional(integer(0)),
  end: optional(within(0, MOST)),
  timescale: optional(positive(MOST)),
  shift: optional(integer(0)),
};

const GROUP: Checks<GroupOptions> = {
  pattern: text,
  rate: optional(within(0, MOST)),
  decay: optional(within(0, MOST)),
  frozen: optional(flag),
};

const ADAPTERS: Checks<AdapterOptions> = {
  patterns: listOf(text),
  rank: optional(integer(1)),
  alpha: optional(positive(MOST)),
  seed: optional(integer(0)),
};

const NOISE_SCHEDULE: Checks<NoiseScheduleOptions> = {
  kind: optional(oneOf("cosine", "offset_cosine", "linear")),
  logsnr_min: optional(within(-100, 0)),
  logsnr_max: optional(within(0, 100)),
  logsnr_shift: optional(within(-100, 100)),
};

const SMALL_VIDEO: Checks<SmallVideoOptions> = {
  kind: optional(oneOf("space", "time")),
  factor: optional(integer(2)),
  fill: optional(oneOf("repeat", "blank")),
  align_corners: optional(flag),
};

/** Height and width, or one number for both. */
const sides: Field = (name, value) => {
  return Array.isArray(value) ? listOf(integer(1))(name, value) : integer(1)(name, value);
};

const DIFFUSION: Checks<DiffusionOptions> = {
  prediction: optional(oneOf("v", "epsilon", "x")),
  weight: optional(oneOf("v", "epsilon", "truncated", "min_snr")),
  min_snr_gamma: optional(positive(MOST)),
  schedule: optional(objectWith(NOISE_SCHEDULE)),
  text_dropout: optional(within(0, 1)),
  seed: optional(integer(0)),
  low_res: optional(objectWith(SMALL_VIDEO)),
  crop: optional(sides),
  guidance_least: optional(within(0, 1000)),
  guidance_most: optional(within(0, 1000)),
  steps: optional(integer(1)),
};

const TRAINER: Checks<PlainTrainerOptions> = {
  optimizer: optional(optimizer),
  schedule: optional(objectWith(SCHEDULE)),
  groups: optional(listOf(objectWith(GROUP))),
  clip: optional(within(0, 1e12)),
  accumulate: optional(integer(1)),
  ema: optional(within(0, 1)),
  autocast: optional(oneOf("none", "bfloat16")),
  loss: optional(oneOf("sigmoid", "softmax", "denoising", "guidance", "progressive")),
  diffusion: optional(objectWith(DIFFUSION)),
  adapters: optional(objectWith(ADAPTERS)),
  clipPerExample: optional(within(0, 1e12)),
  recompute: optional(flag),
  telemetry: optional(flag),
  shardOptimizer: optional(flag),
  bucketBytes: optional(integer(1)),
};

/** Checks the trainer's options; throws `BAD_CONFIG`, which names the field. */
export const trainerOptions: Field = (name, value) => {
  const options = objectWith(TRAINER)(name, anyObject(name, value)) as PlainTrainerOptions;
  const { kind, steps = 0, warmup = 0, cooldown = 0 } = options.schedule ?? {};
  const ends = kind === "linear" || kind === "cosine" || cooldown > 0;
  if (ends && steps <= warmup) {
    const expected = `more steps than the ${warmup} of the warm-up`;
    throw badField(`${name}.schedule.steps`, expected, steps);
  }
  return options;
};
