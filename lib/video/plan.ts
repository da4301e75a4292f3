/** What a call of a cascade comes to, stage by stage, told before anything is loaded. */
import { checkWholeNumber } from "../core/checks.js";
import { invalidArgument, TorchsightError } from "../core/errors.js";
import {
  type CascadeConfig,
  type ClipSize,
  flopsOf,
  type GuidanceFields,
  growthOf,
  type ImagenVideoConfig,
  type StageFields,
  stageSettings,
  strideOf,
} from "../models/imagen_video/index.js";
import type { GenerateVideoOptions, StageSettings } from "./options.js";

/** A stage that runs. */
export interface PlannedStage {
  /** As `cascade.json` and the options together say. */
  stage: StageFields;
  /** Its place in the cascade, whatever runs. */
  place: number;
  size: ClipSize;
  /** Whether it makes pictures, whose frames do not see each other. */
  picture: boolean;
  fps: number;
  tile: StageSettings["tile"];
  /** Whether each evaluation is two: with the text, and without. */
  guided: boolean;
  /** Steps that the first stage leaves out. */
  skip: number;
  /** Evaluations of the network, a guided one counted once. */
  evaluations: number;
  /** Floating-point operations of all of them, for one sample. */
  flops: number;
}

/** A cascade and the networks of its stages, by name. */
export interface Networks {
  cascade: CascadeConfig;
  networks: Readonly<Record<string, ImagenVideoConfig>>;
}

/** Steps of a sampler that says none. */
const STEPS = 64;

/** The options that decide on what runs. */
type Asked = Pick<
  GenerateVideoOptions,
  "frames" | "steps" | "guidance" | "settings" | "stages" | "pad"
> & {
  /** Where to go on, with a video of that size and rate. */
  from?: { stage: string; size: ClipSize; fps?: number | undefined } | undefined;
  skip?: number | undefined;
  repeats?: number | undefined;
};

/**
 * The stages that run, in order.
 *
 * @throws `BAD_INPUT` for options that mean nothing, `SHAPE` for sizes that do not divide, naming
 *   the stage
 */
export function planStages(of: Networks, asked: Asked): PlannedStage[] {
  const { stages } = of.cascade;
  const first = asked.from ? placeOf(stages, asked.from.stage) : 0;
  const last = lastOf(stages, asked.stages);
  if (asked.from && first === 0) {
    throw invalidArgument("the stage to start at", "one behind the base", asked.from.stage);
  }
  if (first > last) {
    const expected = `more than ${first} stages, of which ${asked.from?.stage} is one,`;
    throw invalidArgument("stages", expected, asked.stages);
  }
  checkNames(stages, asked);
  const picture = asked.from ? asked.from.size.frames === 1 : asked.frames === 1;
  const running = stages.slice(first, last + 1).filter(({ kind }) => !picture || kind !== "time");
  if (running.length === 0) {
    throw invalidArgument("the stage to start at", "one that enlarges pictures", asked.from?.stage);
  }
  let before = asked.from?.size ?? baseSize(stages.slice(0, last + 1), asked.frames);
  let fps = asked.from?.fps ?? stages[Math.max(0, first - 1)]!.fps;
  const planned: PlannedStage[] = [];
  for (const given of running) {
    const place = stages.indexOf(given);
    const growth = place === 0 ? { time: 1, space: 1 } : growthOf(given, stages[place - 1]!);
    const size = {
      frames: picture ? 1 : before.frames * growth.time,
      height: before.height * growth.space,
      width: before.width * growth.space,
    };
    fps *= growth.time;
    const stage = changed(given, asked);
    const skip = planned.length === 0 ? (asked.skip ?? 0) : 0;
    const network = of.networks[stage.name]!;
    checkSides(stage, size, network, asked.pad);
    const evaluations = evaluationsOf(stage, skip, asked.repeats ?? 1);
    const guided = isGuided(stage.guidance);
    const each = flopsOf(network, size, of.cascade.text?.max_length ?? 0);
    const flops = evaluations * (guided ? 2 : 1) * each;
    const { tile } = asked.settings?.[stage.name] ?? {};
    planned.push({ stage, place, size, picture, fps, tile, guided, skip, evaluations, flops });
    before = size;
  }
  return planned;
}

/** The place of a stage. Throws `BAD_INPUT` with the names there are. */
export function placeOf(stages: readonly StageFields[], name: string): number {
  const place = stages.findIndex((stage) => stage.name === name);
  if (place >= 0) return place;
  const known = stages.map((stage) => stage.name).join(", ");
  throw invalidArgument("the stage", `one of ${known}`, name);
}

function lastOf(stages: readonly StageFields[], count: number | undefined): number {
  checkWholeNumber("stages", count, 1);
  if (count !== undefined && count > stages.length) {
    throw invalidArgument("stages", `at most ${stages.length}`, count);
  }
  return (count ?? stages.length) - 1;
}

function checkNames(stages: readonly StageFields[], asked: Asked): void {
  for (const given of [asked.steps, asked.guidance, asked.settings]) {
    if (typeof given !== "object") continue;
    for (const name of Object.keys(given)) placeOf(stages, name);
  }
}

/** The base's video, of which the stages make so many frames. */
function baseSize(stages: readonly StageFields[], frames: number | undefined): ClipSize {
  const [base] = stages as [StageFields];
  checkWholeNumber("frames", frames, 1);
  if (frames === undefined || frames === 1)
    return { ...sizeOf(base), frames: frames ?? base.frames };
  const factor = stages.at(-1)!.frames / base.frames;
  if (frames % factor !== 0) {
    throw invalidArgument("frames", `1, or a multiple of ${factor},`, frames);
  }
  return { ...sizeOf(base), frames: frames / factor };
}

function sizeOf({ frames, height, width }: StageFields): ClipSize {
  return { frames, height, width };
}

function changed(stage: StageFields, asked: Asked): StageFields {
  const { steps, guidance } = asked;
  const settings = asked.settings?.[stage.name] ?? {};
  const own = typeof steps === "number" ? steps : steps?.[stage.name];
  const guided = stage.kind === "base" || weightOf(stage.guidance) > 0;
  const one = guided ? guidance : undefined;
  const led = typeof guidance === "object" ? guidance[stage.name] : (one as number | undefined);
  const sampler = { ...stage.sampler, ...settings.sampler };
  return stageSettings(stage, {
    sampler: own === undefined ? sampler : { ...sampler, steps: own },
    guidance: withPasses(stage.guidance, settings.guidance ?? led),
    threshold: settings.threshold,
    augmentation_snr: settings.augmentationSnr,
  });
}

/** A weight alone leaves how it is computed as it is. */
function withPasses(
  before: number | GuidanceFields,
  given: number | GuidanceFields | undefined,
): number | GuidanceFields | undefined {
  if (typeof given !== "number" || typeof before === "number") return given;
  return { ...(before.passes && { passes: before.passes }), weight: given };
}

/** The largest weight of a run. */
function weightOf(guidance: number | GuidanceFields): number {
  if (typeof guidance === "number") return guidance;
  const { weight, scale = 1, low = 0 } = guidance;
  return Math.max(weight ?? scale - 1, low);
}

function isGuided(guidance: number | GuidanceFields): boolean {
  const one = typeof guidance === "object" && guidance.passes === "one";
  return !one && weightOf(guidance) > 0;
}

/** As native/diffusion/sampler_options.cc counts them. */
function evaluationsOf({ name, sampler }: StageFields, skip: number, repeats: number): number {
  const { steps = STEPS, corrections = 0 } = sampler;
  if (skip < steps) return (steps - skip - 1) * (repeats + corrections) + 1;
  throw invalidArgument("skip", `less than ${steps}, the steps of stage ${name},`, skip);
}

function checkSides(
  stage: StageFields,
  size: ClipSize,
  network: ImagenVideoConfig,
  pad: boolean | undefined,
): void {
  const stride = strideOf(network);
  for (const side of ["height", "width"] as const) {
    if (pad || size[side] % stride === 0) continue;
    const expected = `expected a multiple of ${stride} for the ${side} of stage ${stage.name}`;
    throw new TorchsightError("SHAPE", `${expected} but received ${size[side]}`);
  }
}
