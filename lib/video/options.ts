/** How a cascade is asked for video. */
import type { ComposeControl } from "../core/compose.js";
import type { Tensor } from "../core/tensor.js";
import type {
  GuidanceFields,
  SamplerFields,
  ThresholdFields,
} from "../models/imagen_video/index.js";
import type { CascadeProgress } from "./progress.js";
import type { GeneratedVideo } from "./result.js";

/** Texts as `encodeText` has read them: [B, L, d], and [B, L] with 0 at padding. */
export interface TextEmbedding {
  readonly features: Tensor;
  readonly mask?: Tensor | undefined;
}

/** A text for all samples or one for each, or what was read of them. An empty one says nothing. */
export type VideoPrompt = string | readonly string[] | TextEmbedding;

/**
 * A video that is there: uint8 frames [B, T, H, W, 3], or float32 [B, 3, T, H, W] in [-1, 1], with
 * one sample for all, or one for each.
 */
export type VideoSource = Tensor | GeneratedVideo;

/** What one stage does otherwise than `cascade.json` says. */
export interface StageSettings {
  sampler?: SamplerFields | undefined;
  guidance?: number | GuidanceFields | undefined;
  threshold?: ThresholdFields | undefined;
  /** Lower: more invention; higher: more faithful to the small video. */
  augmentationSnr?: number | "none" | undefined;
  /**
   * Computes large frames in squares of `size` pixels that overlap; only of stages without
   * attention within frames. Less memory, more time.
   */
  tile?: { size: number; overlap?: number; halo?: number } | undefined;
}

/** Parts of the video that are known beforehand, and stay. */
export interface KnownVideo {
  /** Of any height and width; all frames of the video, or those that `frames` names. */
  video: VideoSource;
  /** Which frames of the video they are. */
  frames?: readonly number[] | undefined;
  /** bool [H, W], [T, H, W] or [B, T, H, W], of the size of `video`: true where it is known. */
  mask?: Tensor | undefined;
  /**
   * `reconstruction` leads the rest of the video to fit what is known, and needs a derivative of
   * the network at each step; `replacement` does not. Default: the first for the base stage, the
   * second for those behind it, which have the small video to go by.
   */
  method?: "reconstruction" | "replacement" | undefined;
  /** How strongly `reconstruction` leads. Default 2. */
  weight?: number | undefined;
  /** How often each step is made, which lets the parts agree. Default 1. */
  repeats?: number | undefined;
}

/** What all ways to make video take. */
export interface CascadeOptions extends ComposeControl<CascadeProgress> {
  /** What videos are to be led away from, where guidance has a weight. */
  negativePrompt?: VideoPrompt | undefined;
  /**
   * Of the noise: that of the first sample, from which the others count up, or one for each. A seed
   * decides on a sample whatever else is in the batch. Default 0.
   */
  seed?: number | readonly number[] | undefined;
  /** Steps of all stages, or by their names. Default: what `cascade.json` says. */
  steps?: number | Readonly<Record<string, number>> | undefined;
  /** The weight of the base and of all stages that `cascade.json` guides, or by their names. */
  guidance?: number | Readonly<Record<string, number | GuidanceFields>> | undefined;
  /** All else of single stages, by their names. */
  settings?: Readonly<Record<string, StageSettings>> | undefined;
  /** Run only the stages among the cascade's first so many. Default: all. */
  stages?: number | undefined;
  /** Pads sizes that do not divide, and crops the video. Default false: they are refused. */
  pad?: boolean | undefined;
  /** How often previews are streamed, in steps, and pixels of their longer side; false: never. */
  previews?: { every?: number; size?: number } | false | undefined;
}

/** How {@link VideoCascade.generate} makes video. */
export interface GenerateVideoOptions extends CascadeOptions {
  /** What is to be seen. Left out, the networks are free. */
  prompt?: VideoPrompt | undefined;
  /**
   * Frames of the video, a multiple of how many times the stages multiply them. 1 makes a picture:
   * by the same networks, without the stages that add frames. Default: what `cascade.json` says.
   */
  frames?: number | undefined;
  /** Goes on at a stage, with the video of the one before it. */
  startAt?: { stage: string; video: VideoSource } | undefined;
  /** Begins the first stage with a video of its size, noised, and leaves out `skip` steps. */
  start?: { video: VideoSource; skip: number } | undefined;
  known?: KnownVideo | undefined;
}

/** How {@link VideoCascade.upscale} enlarges video. */
export interface UpscaleOptions extends CascadeOptions {
  /** What is to be seen; the stages can do without. */
  prompt?: VideoPrompt | undefined;
  /** The stage to begin with. Default: the first one behind the base. */
  stage?: string | undefined;
  /** Frames a second of the video. Default: what the stage's small videos have. */
  fps?: number | undefined;
}
