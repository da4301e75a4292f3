import { type ComposeControl, composeJob, withoutControl } from "../../core/compose.js";
import { invalidArgument } from "../../core/errors.js";
import type { Job } from "../../core/job.js";
import { createModule, type LoadOptions, load } from "../../core/load.js";
import type { Module } from "../../core/module.js";
import { locate, type PullOptions } from "../../hub/index.js";
import {
  type ImagenVideoConfig,
  type ImagenVideoConfigInput,
  type ImagenVideoVariant,
  parseConfig,
  variant,
} from "./config.js";
import type { ImagenVideoMethods } from "./methods.js";

/** How a stage is loaded. */
export interface StageLoadOptions
  extends LoadOptions,
    Pick<PullOptions, "revision" | "localFilesOnly" | "token" | "endpoint" | "fetch"> {}

/**
 * One stage of a cascade: a network that tells noise from video. No weights of Imagen Video are
 * public; `random` makes networks to train, and what an untrained one gives is noise.
 *
 * @example
 * ```ts
 * await using stage = await VideoStage.random("ssr1", { dtype: "bfloat16" });
 * const inputs = { z, logsnr, text, low_res, low_res_logsnr };
 * const { prediction } = await stage.module.call("predict", inputs);
 * ```
 */
export class VideoStage {
  readonly module: Module<ImagenVideoMethods>;
  readonly config: ImagenVideoConfig;

  private constructor(module: Module<ImagenVideoMethods>) {
    this.module = module;
    this.config = parseConfig(module.config);
  }

  /** Loads a folder, or `org/name` from the hub's cache; see `load` and `pull`. */
  static load(pathOrName: string, options: StageLoadOptions = {}): Job<VideoStage> {
    return composeJob(options, async (steps) => {
      if (typeof pathOrName !== "string") {
        throw invalidArgument("the stage", "a path or a name", pathOrName);
      }
      const plain = withoutControl(options);
      const path = await steps.run(locate(pathOrName, { ...plain, ...steps.control }));
      const control = { ...plain, ...steps.control };
      return VideoStage.#of(await steps.run(load<ImagenVideoMethods>(path, control)));
    });
  }

  /** Makes a stage with random weights: a reference one, or of any config. */
  static random(
    stage: ImagenVideoVariant | ImagenVideoConfigInput,
    options: StageLoadOptions = {},
  ): Job<VideoStage> {
    return composeJob(options, async (steps) => {
      const config = typeof stage === "string" ? variant(stage) : parseConfig(stage);
      const control = { ...withoutControl(options), ...steps.control };
      return VideoStage.#of(await steps.run(createModule<ImagenVideoMethods>(config, control)));
    });
  }

  static #of(module: Module<ImagenVideoMethods>): VideoStage {
    const { model_type: type } = module.config;
    if (type === "imagen_video_unet") return new VideoStage(module);
    module.dispose();
    throw invalidArgument("the stage", "a model of type imagen_video_unet", type);
  }

  /** Writes config and weights. */
  save(folder: string, options: ComposeControl = {}): Job<void> {
    return composeJob(options, async (steps) => {
      await steps.run(this.module.save(folder, steps.control));
    });
  }

  /** Frees the weights once running calls have settled. */
  dispose(): void {
    this.module.dispose();
  }

  /** As {@link dispose}, for `using`. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  /** As {@link dispose}, and waits until the weights are free. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.module[Symbol.asyncDispose]();
  }
}
