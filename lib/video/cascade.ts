import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { folderOf, readConfig, resolveModel } from "../core/checkpoint.js";
import { type ComposeControl, composeJob, type Steps, withoutControl } from "../core/compose.js";
import { configText } from "../core/config.js";
import { invalidArgument, TorchsightError } from "../core/errors.js";
import type { Job } from "../core/job.js";
import type { LoadOptions } from "../core/load.js";
import { tidy } from "../core/scope.js";
import {
  CASCADE_FILE,
  type CascadeConfig,
  type CascadeLayout,
  type ImagenVideoConfig,
  parseCascade,
  parseConfig,
  publishedCascade,
} from "../models/imagen_video/index.js";
import type { TextFeatures } from "../models/t5/index.js";
import { checkNetworks, readNetworks, StageNetworks } from "./networks.js";
import type { GenerateVideoOptions, UpscaleOptions, VideoSource } from "./options.js";
import type { CascadeProgress } from "./progress.js";
import { countOf, PromptReader } from "./prompts.js";
import { requestOf } from "./request.js";
import { GeneratedVideo } from "./result.js";
import { runStages, type VideoPreview } from "./run.js";

/** How a cascade is loaded. */
export interface CascadeLoadOptions extends LoadOptions {
  /**
   * Keeps the networks that were used in memory until the cascade is disposed of, for several calls
   * in a row. Default false: one at a time.
   */
  keep?: boolean | undefined;
}

/** What makes video: previews while it runs, progress by cost, video in the end. */
export type VideoJob = Job<GeneratedVideo, CascadeProgress, VideoPreview>;

/**
 * A cascade of diffusion models: a sentence to a small video, and on to larger ones. It reads its
 * networks when their stage comes, one at a time.
 *
 * @example
 * ```ts
 * await using cascade = await VideoCascade.load("my-cascade");
 * const job = cascade.generate({ prompt: "a red square moving left", seed: 7 });
 * job.onProgress(({ stage, step, steps, eta }) => console.error(stage, step, steps, eta));
 * using video = await job;
 * await video.save("square.mp4");
 * ```
 */
export class VideoCascade {
  readonly config: CascadeConfig;
  /** The networks' configs, by the names of the stages. */
  readonly networks: Readonly<Record<string, ImagenVideoConfig>>;
  readonly #stages: StageNetworks;
  readonly #prompts: PromptReader;
  #disposed = false;

  private constructor(
    { cascade, networks }: CascadeLayout,
    folder: string | undefined,
    options: CascadeLoadOptions,
  ) {
    const { keep = false, ...load } = withoutControl(options);
    this.config = cascade;
    this.networks = networks;
    this.#stages = new StageNetworks(cascade, networks, folder, load, keep);
    // T5 overflows in float16; it is small beside what it serves.
    const dtype = load.dtype === "float16" ? "float32" : load.dtype;
    this.#prompts = new PromptReader(cascade.text, folder, { ...load, dtype }, keep);
  }

  /**
   * Opens a folder, or the name of a cascade that ships with the package. `cascade.json` and the
   * configs of all networks are read and checked; weights are read when they are used. With a
   * `seed`, they are drawn from it instead.
   *
   * The job rejects with `NOT_FOUND`, and with `BAD_CONFIG` naming the stage that does not fit.
   */
  static load(pathOrName: string, options: CascadeLoadOptions = {}): Job<VideoCascade> {
    return composeJob(options, async () => {
      if (typeof pathOrName !== "string") {
        throw invalidArgument("the cascade", "a path or a name", pathOrName);
      }
      const folder = folderOf(resolveModel(pathOrName));
      const given = readConfig(folder, CASCADE_FILE);
      if (given === undefined) {
        throw new TorchsightError("NOT_FOUND", `there is no ${CASCADE_FILE} in ${folder}`);
      }
      const cascade = parseCascade(given);
      const networks = readNetworks(cascade, folder);
      return new VideoCascade({ cascade, networks }, folder, options);
    });
  }

  /**
   * A cascade of random weights: of any layout, else the published one of seven stages. What it
   * gives is noise; embeddings stand in for texts.
   */
  static random(layout?: CascadeLayout, options: CascadeLoadOptions = {}): Job<VideoCascade> {
    return composeJob(options, async () => {
      const { cascade: given, networks: raw } = layout ?? publishedCascade();
      const cascade = parseCascade(given);
      const entries = Object.entries(raw).map(([name, one]) => [name, parseConfig(one)]);
      const networks = Object.fromEntries(entries) as Record<string, ImagenVideoConfig>;
      checkNetworks(cascade, networks, undefined);
      return new VideoCascade({ cascade, networks }, undefined, options);
    });
  }

  /**
   * Makes video. The job streams {@link VideoPreview}s; leaving its loop cancels it.
   *
   * @example
   * ```ts
   * const job = cascade.generate({ prompt: ["a red square", "a blue ring"], seed: [1, 2] });
   * for await (using preview of job) show(preview.stage, preview.frames);
   * using videos = await job;
   * ```
   */
  generate(options: GenerateVideoOptions = {}): VideoJob {
    return composeJob<GeneratedVideo, VideoPreview, CascadeProgress>(options, (steps) =>
      this.#run(options, undefined, steps),
    );
  }

  /** Enlarges video that is there, of any length, by the stages behind the base. */
  upscale(video: VideoSource, options: UpscaleOptions = {}): VideoJob {
    return composeJob<GeneratedVideo, VideoPreview, CascadeProgress>(options, async (steps) => {
      const { stage = this.config.stages[1]?.name, fps, ...rest } = options;
      if (stage === undefined) {
        throw new TorchsightError("UNSUPPORTED", "expected a cascade with a stage that enlarges");
      }
      // Without a text there is nothing to be guided by.
      const guidance = options.guidance ?? (options.prompt === undefined ? 0 : undefined);
      const asked = { ...rest, guidance, startAt: { stage, video } };
      return await this.#run(asked, fps, steps);
    });
  }

  /** Reads texts once for several calls, or to keep them: `prompt` takes what comes of it. */
  encodeText(texts: string | readonly string[], options: ComposeControl = {}): Job<TextFeatures> {
    return composeJob(options, async (steps) => {
      this.#use();
      countOf("the texts", texts);
      return await this.#prompts.encode(typeof texts === "string" ? [texts] : texts, steps);
    });
  }

  /** Writes `cascade.json`, each stage's folder, and that of the text encoder if there is one. */
  save(folder: string, options: ComposeControl = {}): Job<void> {
    return composeJob(options, async (steps) => {
      this.#use();
      mkdirSync(folder, { recursive: true });
      for (const stage of this.config.stages) {
        await this.#stages.use(stage, steps, async (network) => {
          await steps.run(network.save(join(folder, stage.folder), steps.control));
        });
      }
      await this.#prompts.save(folder, steps);
      writeFileSync(join(folder, CASCADE_FILE), configText(this.config));
    });
  }

  /** Frees what is kept, and refuses further calls. */
  dispose(): void {
    this.#disposed = true;
    this.#stages.dispose();
    this.#prompts.dispose();
  }

  /** As {@link dispose}, for `using`. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  /** As {@link dispose}. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.dispose();
  }

  #use(): void {
    if (this.#disposed) throw new TorchsightError("DISPOSED", "the cascade was disposed of");
  }

  async #run(
    options: GenerateVideoOptions,
    fps: number | undefined,
    steps: Steps<VideoPreview, CascadeProgress>,
  ): Promise<GeneratedVideo> {
    this.#use();
    const layout = { cascade: this.config, networks: this.networks };
    return await tidy(async () => {
      const request = await requestOf(layout, options, fps, this.#prompts, steps);
      const { video, reports } = await runStages(this.#stages, request, steps);
      const { fps: rate } = request.planned.at(-1)!;
      const { random } = this.#stages;
      return new GeneratedVideo(video, { fps: rate, stages: reports, random });
    });
  }
}
