/** Runs a cascade's stages one after the other. */

import type { Steps } from "../core/compose.js";
import { ones } from "../core/create.js";
import { disposable } from "../core/disposable.js";
import { keep } from "../core/scope.js";
import type { Tensor } from "../core/tensor.js";
import type { SampleArgs, SampleInputs, VideoStage } from "../models/imagen_video/index.js";
import type { Known } from "./known.js";
import { type StageNetworks, stageFailure } from "./networks.js";
import type { CascadeOptions } from "./options.js";
import type { PlannedStage } from "./plan.js";
import { CascadeClock, type CascadeProgress } from "./progress.js";
import type { TextInputs } from "./prompts.js";
import type { StageReport } from "./result.js";

/** What a stage shows while it runs: how its video looks so far. Dispose of it when done. */
export interface VideoPreview extends globalThis.Disposable {
  readonly stage: string;
  /** Steps made, and those of the stage. */
  readonly step: number;
  readonly steps: number;
  /** uint8 [B, T, h, w, 3], small. */
  readonly frames: Tensor<"uint8">;
}

/** All that stages need beside their networks. */
export interface Request {
  planned: readonly PlannedStage[];
  samples: number;
  seeds: readonly number[];
  texts: TextInputs;
  known: Known | undefined;
  /** What the first stage enlarges, or begins with. */
  small: Tensor | undefined;
  start: Tensor | undefined;
  pad: boolean;
  previews: CascadeOptions["previews"];
}

/** Previews of a stage, where nothing is said. */
const PREVIEWS = 8;

/** The last stage's video, and what each stage took. */
export async function runStages(
  networks: StageNetworks,
  request: Request,
  steps: Steps<VideoPreview, CascadeProgress>,
): Promise<{ video: Tensor<"float32">; reports: StageReport[] }> {
  const { planned, samples } = request;
  const costs = planned.map(({ stage, evaluations, flops }) => ({
    name: stage.name,
    steps: evaluations,
    flops: flops * samples,
  }));
  const clock = new CascadeClock(costs, () => performance.now() / 1000);
  const reports: StageReport[] = [];
  let video: Tensor | undefined;
  for (const [place, one] of planned.entries()) {
    const inputs = inputsOf(request, one, video);
    const name = one.stage.name;
    try {
      const made: Tensor = await networks.use(one.stage, steps, async (network) => {
        steps.progress(clock.begin(place));
        const began = performance.now();
        const own = await sampleStage(network, inputs, argsOf(request, one), clock, steps);
        clock.end();
        const seconds = (performance.now() - began) / 1000;
        reports.push({ name, steps: one.evaluations, seconds });
        return own;
      });
      video?.dispose();
      video = made;
    } catch (error) {
      throw stageFailure(name, error);
    }
  }
  return { video: video!.to("cpu").as("float32"), reports };
}

function inputsOf(request: Request, one: PlannedStage, video: Tensor | undefined): SampleInputs {
  const { samples, texts, known, start } = request;
  const first = one === request.planned[0];
  return {
    ...texts,
    ...(one.stage.kind !== "base" && { small: video ?? request.small }),
    ...(known?.inputs(one, samples) ?? {}),
    ...(first && start && { start }),
    ...(one.picture && { is_image: ones([samples], { dtype: "bool" }) }),
  };
}

function argsOf(request: Request, one: PlannedStage): SampleArgs {
  const { stage, place, size, tile, skip, evaluations } = one;
  const { seeds, known, pad, previews } = request;
  const { augmentation_snr: snr, sampler } = stage;
  const every = Math.ceil((sampler.steps ?? evaluations) / PREVIEWS);
  return {
    ...size,
    seeds,
    stream: place,
    name: stage.name,
    prediction: stage.prediction,
    schedule: stage.schedule,
    sampler: { ...sampler, skip },
    guidance: stage.guidance,
    threshold: stage.threshold,
    fill: stage.kind === "time" ? stage.fill : "repeat",
    align_corners: stage.align_corners,
    pad,
    ...(snr !== "none" && { augmentation_snr: snr }),
    ...(known && { known: known.args(one) }),
    ...(tile && { tile }),
    ...(previews !== false && {
      preview_every: previews?.every ?? every,
      preview_size: previews?.size ?? 64,
    }),
  };
}

async function sampleStage(
  network: VideoStage,
  inputs: SampleInputs,
  args: SampleArgs,
  clock: CascadeClock,
  steps: Steps<VideoPreview, CascadeProgress>,
): Promise<Tensor> {
  const job = network.module.call("sample", inputs, { args, ...steps.control });
  const stop = job.onProgress(({ done }) => steps.progress(clock.tell(done)));
  try {
    for await (const { preview, step } of job) {
      const made = Number(step.item());
      step.dispose();
      steps.check();
      const frames = keep(preview).as("uint8");
      const { name, sampler } = args;
      const all = sampler!.steps ?? made;
      await steps.emit(disposable({ stage: name!, step: made, steps: all, frames }));
    }
  } finally {
    stop();
  }
  const { video } = await steps.run(job, () => {});
  return video;
}
