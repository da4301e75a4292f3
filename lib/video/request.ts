/** From what a user asks for to what the stages are given. */
import { checkWholeNumber } from "../core/checks.js";
import { invalidArgument, TorchsightError } from "../core/errors.js";
import { Known } from "./known.js";
import type { GenerateVideoOptions } from "./options.js";
import { type Networks, type PlannedStage, planStages } from "./plan.js";
import { countOf, type PromptReader, type Runner } from "./prompts.js";
import { GeneratedVideo } from "./result.js";
import type { Request } from "./run.js";
import { samplesOf, spread, videoOf } from "./sources.js";

/**
 * Checks the options and reads the texts; nothing else is loaded before.
 *
 * @param rate - frames a second of the video that the run goes on with
 * @throws `BAD_INPUT` and `SHAPE`, naming option or stage
 */
export async function requestOf(
  layout: Networks,
  options: GenerateVideoOptions,
  rate: number | undefined,
  prompts: PromptReader,
  runner: Runner,
): Promise<Request> {
  checkOptions(options);
  const { prompt, negativePrompt, startAt, pad = false, previews } = options;
  const small = startAt && videoOf("startAt.video", startAt.video);
  const start = options.start && videoOf("start.video", options.start.video);
  const told = startAt?.video instanceof GeneratedVideo ? startAt.video.fps : undefined;
  const planned = planStages(layout, {
    ...options,
    from: startAt &&
      small && { stage: startAt.stage, size: sizeOf(small.shape), fps: rate ?? told },
    skip: options.start?.skip,
    repeats: options.known?.repeats,
  });
  warnOfLength(planned);
  if (prompt === undefined) refuseGuided(planned);
  const known = options.known && new Known(options.known, planned.at(-1)!.size.frames);
  const samples = samplesOf({
    "the prompt": countOf("the prompt", prompt),
    "the negative prompt": countOf("the negative prompt", negativePrompt),
    seed: typeof options.seed === "object" ? options.seed.length : undefined,
    "startAt.video": small?.shape[0],
    "start.video": start?.shape[0],
    "known.video": known?.samples,
  });
  const texts = await prompts.inputs(prompt, negativePrompt, samples, runner);
  return {
    ...{ planned, samples, texts, known, pad, previews },
    seeds: seedsOf(options.seed, samples),
    small: small && spread(small, samples),
    start: start && spread(start, samples),
  };
}

function sizeOf(shape: readonly number[]) {
  const [, , frames, height, width] = shape as [number, number, number, number, number];
  return { frames, height, width };
}

/** One seed for each sample. */
function seedsOf(seed: number | readonly number[] | undefined, samples: number): number[] {
  if (typeof seed === "object") {
    return Array.from({ length: samples }, (_, sample) => seed[seed.length === 1 ? 0 : sample]!);
  }
  return Array.from({ length: samples }, (_, sample) => (seed ?? 0) + sample);
}

/** Without a text there is nothing to be guided by. */
function refuseGuided(planned: readonly PlannedStage[]): void {
  const guided = planned.find((one) => one.guided);
  if (!guided) return;
  const expected = `a text, or guidance 0, for the text of stage ${guided.stage.name}`;
  throw new TorchsightError("BAD_INPUT", `expected ${expected} but received nothing`);
}

/** Frames see each other as far as networks were trained; beyond that the quality falls. */
function warnOfLength(planned: readonly PlannedStage[]): void {
  const longer = planned.find(({ stage, size }) => size.frames > stage.frames);
  if (!longer) return;
  const { stage, size } = longer;
  process.emitWarning(
    `stage ${stage.name} makes ${size.frames} frames, and was trained on ${stage.frames}`,
    "TorchsightWarning",
  );
}

function checkOptions(options: GenerateVideoOptions): void {
  const { seed, startAt, start, frames, previews } = options;
  const seeds = typeof seed === "object" ? seed : [seed];
  if (seeds.length === 0) throw invalidArgument("seed", "a seed for each sample", seed);
  for (const one of seeds) checkWholeNumber("seed", one, 0);
  if (startAt && (frames !== undefined || start)) {
    const name = start ? "start" : "frames";
    throw invalidArgument(name, "no value beside startAt, whose video tells", options[name]);
  }
  if (start) checkWholeNumber("start.skip", start.skip, 0);
  if (!previews) return;
  checkWholeNumber("previews.every", previews.every, 1);
  checkWholeNumber("previews.size", previews.size, 1);
}
