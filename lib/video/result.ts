/** Video as a cascade gives it: tensors, frames, files. */
import { invalidArgument } from "../core/errors.js";
import { Held } from "../core/held.js";
import { ops } from "../core/ops.js";
import { tidy } from "../core/scope.js";
import type { Tensor } from "../core/tensor.js";
import { contactSheet, type SheetOptions } from "../media/contact_sheet.js";
import { writeFrames } from "../media/frames_writer.js";
import type { RawImage } from "../media/image.js";
import { toFrames } from "../models/imagen_video/index.js";

/** What a stage took. */
export interface StageReport {
  name: string;
  /** Evaluations of its network, a guided one counted once. */
  steps: number;
  /** Seconds of sampling, loading left out. */
  seconds: number;
}

/** What is known of a video beside its pixels. */
export interface VideoFacts {
  /** Frames a second. */
  fps: number;
  /** The stages that ran. */
  stages: readonly StageReport[];
  /** Whether weights were drawn at random: what untrained networks give is noise. */
  random: boolean;
}

/** How a file is written. */
export interface SaveVideoOptions {
  /** Which sample of the batch. Default 0. */
  sample?: number | undefined;
  /** Ends the writing; then there is no file. */
  signal?: AbortSignal | undefined;
}

/** Video of one or several samples. Dispose of it when done. */
export class GeneratedVideo extends Held<{ video: Tensor<"float32"> }> {
  readonly facts: VideoFacts;

  /** @internal Made by {@link VideoCascade}. */
  constructor(video: Tensor<"float32">, facts: VideoFacts) {
    super({ video });
    this.facts = facts;
  }

  /** float32 [B, 3, T, H, W] from -1 to 1, on the CPU. */
  get video(): Tensor<"float32"> {
    return this.tensors.video;
  }

  get fps(): number {
    return this.facts.fps;
  }

  get stages(): readonly StageReport[] {
    return this.facts.stages;
  }

  get samples(): number {
    return this.video.shape[0]!;
  }

  /** Frames of each sample. */
  get length(): number {
    return this.video.shape[2]!;
  }

  get height(): number {
    return this.video.shape[3]!;
  }

  get width(): number {
    return this.video.shape[4]!;
  }

  /** All samples as levels, uint8 [B, T, H, W, 3]; the caller's to dispose of. */
  toFrames(): Tensor<"uint8"> {
    return tidy(() => toFrames(this.video));
  }

  /** The frames of a sample, as pictures. */
  async frames(sample = 0): Promise<RawImage[]> {
    if (!(Number.isInteger(sample) && sample >= 0 && sample < this.samples)) {
      throw invalidArgument("the sample", `a whole number below ${this.samples}`, sample);
    }
    using levels = tidy(() => toFrames(ops.narrow(this.video, 0, sample, 1).as("float32")));
    const data = await levels.data();
    const { height, width } = this;
    const bytes = height * width * 3;
    return Array.from({ length: this.length }, (_, frame) => ({
      data: data.subarray(frame * bytes, (frame + 1) * bytes),
      width,
      height,
      channels: 3,
    }));
  }

  /**
   * Writes a sample in the form that the path asks for: mp4, webm, gif, webp or y4m by the ending,
   * a picture where there is one frame, a folder of PNG files where there is no ending. What is
   * there is replaced once the new file is whole.
   *
   * @throws `BAD_INPUT` for other endings and files that cannot be written, with the reason
   *   `NO_SPACE` where there is no room; `NOT_FOUND` for a missing folder; `UNSUPPORTED` where mp4,
   *   webm, gif, webp or y4m are asked for and there is no ffmpeg; `CANCELLED`
   */
  async save(path: string, { sample = 0, signal }: SaveVideoOptions = {}): Promise<void> {
    const frames = await this.frames(sample);
    await writeFrames(path, frames, { fps: this.fps, count: frames.length, signal });
  }

  /** All frames of a sample side by side, in rows. */
  async contactSheet(sample = 0, options: SheetOptions = {}): Promise<RawImage> {
    return contactSheet(await this.frames(sample), options);
  }
}
