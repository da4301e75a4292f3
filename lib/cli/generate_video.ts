import { readyFor } from "../media/frames_writer.js";
import { writeImage } from "../media/image.js";
import { requireFolderOf } from "../media/paths.js";
import { VIDEO_ENDINGS } from "../media/video.js";
import { type CascadeProgress, VideoCascade } from "../video/index.js";
import { realNumber, wholeNumber } from "./arguments.js";
import { COMMON_ARGS, defineCommand } from "./command.js";
import { loadOptions, MODEL_ARGS } from "./model_args.js";
import type { Output } from "./output.js";
import { duration } from "./train_progress.js";

/** The cascade that ships with the package. */
const SHIPPED = "imagen-video";

export default defineCommand({
  name: "generate-video",
  description: "Makes a video of a sentence",
  args: {
    prompt: {
      type: "string",
      required: true,
      valueHint: "TEXT",
      description: "What is to be seen",
    },
    model: { ...COMMON_ARGS.model, default: SHIPPED },
    negative: { type: "string", valueHint: "TEXT", description: "What is not to be seen" },
    frames: {
      type: "string",
      valueHint: "N",
      description: "Frames (those that the cascade was trained on; 1 makes a picture)",
    },
    steps: { type: "string", valueHint: "N", description: "Steps of each stage (the cascade's)" },
    guidance: {
      type: "string",
      valueHint: "W",
      description: "How far to lead to the prompt, 0 for not at all (the cascade's)",
    },
    stages: { type: "string", valueHint: "N", description: "Run the first N stages (all)" },
    out: {
      type: "string",
      required: true,
      valueHint: "FILE",
      description: `A video (${VIDEO_ENDINGS.join(", ")}), a picture of one frame, or a folder`,
    },
    "contact-sheet": {
      type: "string",
      valueHint: "FILE",
      description: "A picture of all frames side by side",
    },
    random: MODEL_ARGS.random,
    isolate: MODEL_ARGS.isolate,
  },
  async run({ args, output, signal }) {
    const began = performance.now();
    const options = {
      prompt: args.prompt,
      negativePrompt: args.negative,
      seed: wholeNumber("seed", args.seed),
      frames: wholeNumber("frames", args.frames, { least: 1 }),
      steps: wholeNumber("steps", args.steps, { least: 1 }),
      guidance: realNumber("guidance", args.guidance, { least: 0, most: 1000 }),
      stages: wholeNumber("stages", args.stages, { least: 1 }),
    };
    const load = loadOptions(args, signal);
    const sheet = args["contact-sheet"];
    // Before the work, not after it.
    await readyFor(args.out, options.frames ?? 2);
    if (sheet !== undefined) await requireFolderOf(sheet);
    await using cascade = await VideoCascade.load(args.model, load);
    const bar = new VideoProgress(output);
    try {
      const job = cascade.generate({ ...options, previews: false, signal });
      job.onProgress((progress) => bar.tell(progress));
      using video = await job;
      bar.stop();
      if (video.facts.random) output.log("the weights are random: this is noise");
      await video.save(args.out, { signal });
      if (sheet !== undefined) await writeImage(await video.contactSheet(), sheet);
      const { length: frames, width, height, fps, stages } = video;
      const seconds = (performance.now() - began) / 1000;
      const told = { file: args.out, frames, width, height, fps, seconds, stages };
      output.result(told, describe(told, sheet));
    } finally {
      bar.stop();
    }
  },
});

/** Hundredths of all work on a bar, or a line for each stage where there is no terminal. */
class VideoProgress {
  readonly #output: Output;
  readonly #bar: ReturnType<Output["progress"]>;
  readonly #drawn = process.stderr.isTTY === true;
  #stage = "";

  constructor(output: Output) {
    this.#output = output;
    this.#bar = output.progress("loading");
  }

  tell({ done, stage, step, steps, eta }: CascadeProgress): void {
    const left = eta === undefined ? "" : `, ${duration(eta)} to go`;
    this.#bar.update(Math.round(done * 100), 100, `${stage} ${step}/${steps}${left}`);
    if (this.#drawn || stage === this.#stage) return;
    this.#stage = stage;
    this.#output.log(`stage ${stage}: ${steps} steps${left}`);
  }

  stop(): void {
    this.#bar.stop();
  }
}

interface Told {
  file: string;
  frames: number;
  width: number;
  height: number;
  fps: number;
  seconds: number;
  stages: readonly { name: string; steps: number; seconds: number }[];
}

function describe(told: Told, sheet: string | undefined): string {
  const { file, frames, width, height, fps, seconds, stages } = told;
  const what = frames === 1 ? "a picture" : `${frames} frames at ${fps} a second`;
  const lines = [`${file}: ${width} x ${height}, ${what}, in ${seconds.toFixed(1)} s`];
  if (sheet !== undefined) lines.push(`${sheet}: all frames side by side`);
  for (const { name, steps, seconds: own } of stages) {
    lines.push(`  ${name.padEnd(8)} ${String(steps).padStart(4)} steps  ${own.toFixed(2)} s`);
  }
  return lines.join("\n");
}
