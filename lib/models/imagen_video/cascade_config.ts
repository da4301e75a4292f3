/**
 * `cascade.json`: the stages of a cascade in order, and how each is sampled.
 *
 * Source of the layout: Ho et al., "Imagen Video", arXiv 2210.02303, sections 2.1 to 2.7.
 */
import {
  badField,
  type Field,
  flag,
  integer,
  objectOf,
  oneOf,
  positive,
} from "../../core/config.js";
import { TorchsightError } from "../../core/errors.js";
import {
  type Checks,
  checkedFields,
  listOf,
  objectWith,
  optional,
  within,
} from "../../recipes/fields.js";

/** The file's name in the cascade's folder. */
export const CASCADE_FILE = "cascade.json";

/** The levels of noise, as the native sampler takes them. */
export interface ScheduleFields {
  kind?: "cosine" | "offset_cosine" | "linear";
  logsnr_min?: number;
  logsnr_max?: number;
  logsnr_shift?: number;
}

/** How noise becomes video. */
export interface SamplerFields {
  kind?: "ddim" | "ancestral" | "stochastic";
  /** Default 64. */
  steps?: number;
  /** Of `ancestral`: 0 the lower bound of the variance, 1 the upper one. Default 0.3. */
  gamma?: number;
  /** Steps of Langevin dynamics behind each step, and their size. Default 0 and 0.1. */
  corrections?: number;
  delta?: number;
}

/** How far samples are led away from the empty text, or from a negative prompt. */
export interface GuidanceFields {
  /** w, with 0 for none. The scale is 1 + w; one of both is given. */
  weight?: number;
  scale?: number;
  /** With it the weight oscillates: high for the share `lead` of the steps, then low, high, … */
  low?: number;
  lead?: number;
  /** `one` for networks that were distilled to take the weight. Default `together`. */
  passes?: "together" | "apart" | "one";
}

/** How predicted video is kept in range. */
export type ThresholdFields =
  | "static"
  | "none"
  | "dynamic"
  | { percentile?: number; most?: number };

/** One stage: its network's folder, what it makes, and how it is sampled. */
export interface StageFields {
  /** What errors, progress and options call it. */
  name: string;
  /** Where `config.json` and weights are, from the cascade's folder. Default: the name. */
  folder: string;
  /** `base` makes video of noise; `time` adds frames, `space` pixels to the video before. */
  kind: "base" | "time" | "space";
  /** The clips that it was trained on, and makes. */
  frames: number;
  height: number;
  width: number;
  /** Frames a second. */
  fps: number;
  prediction: "v" | "epsilon" | "x";
  schedule: ScheduleFields;
  sampler: SamplerFields;
  /** A number is the weight. */
  guidance: number | GuidanceFields;
  threshold: ThresholdFields;
  /**
   * Of `time` and `space`: the signal-to-noise ratio that the small video is noised to in sampling;
   * `none` for networks that were trained on it as it is.
   */
  augmentation_snr: number | "none";
  /** Of `time`: what stands in frames that are missing; `blank` is told by a channel of a mask. */
  fill: "repeat" | "blank";
  /** Of `space`: whether corners, instead of edges, fall on each other. */
  align_corners: boolean;
}

/** What reads prompts. */
export interface TextFields {
  /** A T5 encoder with its tokenizer, from the cascade's folder. */
  folder: string;
  /** Tokens of a prompt at most, its end mark included. */
  max_length: number;
}

/** A whole cascade. */
export interface CascadeConfig {
  format: "torchsight.cascade";
  version: 1;
  /** Without it the cascade reads no text, or embeddings alone. */
  text?: TextFields;
  stages: readonly StageFields[];
}

/** What a user may say of a stage or a cascade; all else has a default. */
export type StageInput = Pick<
  StageFields,
  "name" | "kind" | "frames" | "height" | "width" | "fps"
> &
  Partial<StageFields>;
export type CascadeInput = Omit<CascadeConfig, "format" | "version" | "text" | "stages"> &
  Partial<Pick<CascadeConfig, "format" | "version">> & {
    text?: Pick<TextFields, "folder"> & Partial<TextFields>;
    stages: readonly StageInput[];
  };

const MOST_STAGES = 32;
const MOST_WEIGHT = 1000;

/** A name that can be a folder and a word of a message. */
const name: Field = (field, value) => {
  if (typeof value === "string" && /^[a-z0-9][a-z0-9_-]{0,31}$/.test(value)) return value;
  throw badField(field, "up to 32 of a-z, 0-9, _ and -", value);
};

/** A folder below the cascade's own, so that a cascade can be moved as a whole. */
const folder: Field = (field, value) => {
  const parts = typeof value === "string" ? value.split("/") : [];
  if (parts.length > 0 && parts.every((part) => /^(?!\.\.?$)[\w.-]+$/.test(part))) return value;
  throw badField(field, "a folder below that of the cascade", value);
};

const exactly =
  (only: string | number): Field =>
  (field, value) => {
    if (value === only) return value;
    throw badField(field, JSON.stringify(only), value);
  };

const guidanceFields = objectWith<GuidanceFields>({
  weight: optional(within(0, MOST_WEIGHT)),
  scale: optional(within(1, MOST_WEIGHT)),
  low: optional(within(0, MOST_WEIGHT)),
  lead: optional(within(0, 1)),
  passes: optional(oneOf("together", "apart", "one")),
});

/** A weight, or all about guidance. */
const guidance: Field = (field, value) => {
  if (typeof value === "number") return within(0, MOST_WEIGHT)(field, value);
  const given = guidanceFields(field, value) as GuidanceFields;
  if ((given.weight === undefined) !== (given.scale === undefined)) return given;
  throw badField(field, "a weight or a scale", value);
};

const threshold: Field = (field, value) => {
  if (typeof value !== "object") return oneOf("static", "none", "dynamic")(field, value);
  return objectWith<Exclude<ThresholdFields, string>>({
    percentile: optional(positive(1)),
    most: optional(within(1, 1e6)),
  })(field, value);
};

const sampler = objectWith<SamplerFields>({
  kind: optional(oneOf("ddim", "ancestral", "stochastic")),
  steps: optional(integer(1)),
  gamma: optional(within(0, 1)),
  corrections: optional(integer(0)),
  delta: optional(positive(1)),
});

const augmentationSnr: Field = (field, value) => {
  if (value === "none") return value;
  if (typeof value === "number") return positive(1e6)(field, value);
  throw badField(field, 'a number above 0, or "none"', value);
};

const STAGE: Checks<StageFields> = {
  name,
  folder: optional(folder),
  kind: oneOf("base", "time", "space"),
  frames: integer(1),
  height: integer(1),
  width: integer(1),
  fps: positive(1000),
  prediction: optional(oneOf("v", "epsilon", "x"), "v"),
  schedule: optional(
    objectWith<ScheduleFields>({
      kind: optional(oneOf("cosine", "offset_cosine", "linear")),
      logsnr_min: optional(within(-100, 0)),
      logsnr_max: optional(within(0, 100)),
      logsnr_shift: optional(within(-100, 100)),
    }),
    {},
  ),
  sampler: optional(sampler, {}),
  guidance: optional(guidance, 0),
  threshold: optional(threshold, "static"),
  augmentation_snr: optional(augmentationSnr, 5),
  fill: optional(oneOf("repeat", "blank"), "repeat"),
  align_corners: optional(flag, false),
};

const stage: Field = (field, value) => {
  const fields = checkedFields<StageFields>(value, STAGE, `${field}.`);
  return { ...fields, folder: fields.folder ?? fields.name };
};

const CASCADE: Checks<CascadeConfig> = {
  format: optional(exactly("torchsight.cascade"), "torchsight.cascade"),
  version: optional(exactly(1), 1),
  text: optional(
    objectWith<TextFields>({ folder, max_length: optional(integer(2), 128) } as Checks<TextFields>),
  ),
  stages: listOf(stage),
};

/**
 * A complete cascade, every field checked, defaults filled in. Unknown fields are refused.
 *
 * @throws `BAD_CONFIG` naming the field; for stages that do not follow from each other, the stage
 */
export function parseCascade(input: unknown): CascadeConfig {
  const config = checkedFields<CascadeConfig>(objectOf(input, "the cascade"), CASCADE);
  const { stages } = config;
  if (stages.length < 1 || stages.length > MOST_STAGES) {
    throw badField("stages", `1 to ${MOST_STAGES} stages`, stages.length);
  }
  const names = stages.map((one) => one.name);
  for (const [place, one] of stages.entries()) {
    if (names.indexOf(one.name) < place) {
      throw badField(`stages[${place}].name`, "a name of its own", one.name);
    }
    checkOrder(one, stages[place - 1]);
  }
  return config;
}

/** What calls may change of a stage. */
export type StageChanges = {
  [K in "sampler" | "guidance" | "threshold" | "augmentation_snr"]?: StageFields[K] | undefined;
};

/** A stage with what a call asks of it. Throws `BAD_INPUT`, naming the stage. */
export function stageSettings(stage: StageFields, changes: StageChanges): StageFields {
  const given = Object.entries(changes).filter(([, value]) => value !== undefined);
  const checked = given.map(([name, value]) => {
    try {
      return [name, STAGE[name as keyof StageChanges](`${name} of stage ${stage.name}`, value)];
    } catch (error) {
      throw new TorchsightError("BAD_INPUT", (error as Error).message, { cause: error });
    }
  });
  return { ...stage, ...(Object.fromEntries(checked) as StageChanges) } as StageFields;
}

/** How many times the frames, and the pixels of a side, of the stage before a stage makes. */
export function growthOf(stage: StageFields, before: StageFields): { time: number; space: number } {
  return { time: stage.frames / before.frames, space: stage.height / before.height };
}

/** Whether a stage can follow the one before it. */
function checkOrder(stage: StageFields, before: StageFields | undefined): void {
  const where = `stage ${stage.name}`;
  if (before === undefined || stage.kind === "base") {
    if (before === undefined && stage.kind === "base") return;
    const expected = before === undefined ? "base, the first stage," : "time or space";
    throw badField(`kind of ${where}`, expected, stage.kind);
  }
  const { time, space } = growthOf(stage, before);
  const same = (field: "frames" | "height" | "width", factor: number) => {
    const expected = before[field] * factor;
    if (stage[field] === expected) return;
    throw badField(`${field} of ${where}`, `${expected}, after ${before.name},`, stage[field]);
  };
  if (stage.kind === "time") {
    same("height", 1);
    same("width", 1);
    multiple(`frames of ${where}`, time, before.frames, stage.frames);
  } else {
    same("frames", 1);
    multiple(`height of ${where}`, space, before.height, stage.height);
    same("width", space);
  }
  const rate = before.fps * time;
  if (Math.abs(stage.fps - rate) > 1e-6 * rate) {
    throw badField(`fps of ${where}`, `${rate}, after ${before.name},`, stage.fps);
  }
}

function multiple(field: string, factor: number, before: number, value: number): void {
  if (Number.isInteger(factor) && factor >= 1) return;
  throw badField(field, `a multiple of ${before}`, value);
}
