/** Types of the native methods, whose schemas are in native/models/imagen_video/imagen_video.cc. */
import type { Tensor } from "../../core/tensor.js";
import type { SamplerFields, ScheduleFields, StageFields } from "./cascade_config.js";

/** B clips of T frames. */
export interface PredictInputs {
  /** Noised clips [B, 3, T, H, W]. */
  z: Tensor;
  /** Their log signal-to-noise ratio, [B]. */
  logsnr: Tensor;
  /** Features of the text, [B, L, text_width]; without it, the empty condition. */
  text?: Tensor | undefined;
  /** 0 at padding, [B, L]. */
  text_mask?: Tensor | undefined;
  /** bool [B]: the frames of these are pictures, which do not see each other. */
  is_image?: Tensor | undefined;
  /** The small video at full size, noised: [B, low_res_channels, T, H, W]. */
  low_res?: Tensor | undefined;
  /** The level of that noise, [B]. */
  low_res_logsnr?: Tensor | undefined;
  /** Of distilled networks, [B]. */
  guidance_weight?: Tensor | undefined;
}

/** So many samples as there are seeds. */
export interface SampleInputs {
  /** Features of the text, [B, L, text_width]; without it, the empty condition. */
  text?: Tensor | undefined;
  /** 0 at padding, [B, L]. */
  text_mask?: Tensor | undefined;
  /** What guidance leads away from; without it, the empty condition. */
  negative?: Tensor | undefined;
  negative_mask?: Tensor | undefined;
  /** bool [B]: the frames of these are pictures, which do not see each other. */
  is_image?: Tensor | undefined;
  /** Of stages that enlarge: the small video, [B, 3, t, h, w] in [-1, 1]. */
  small?: Tensor | undefined;
  /** Video of the stage's size, and bool [B, 1, T, H, W] where it stays. */
  known?: Tensor | undefined;
  known_mask?: Tensor | undefined;
  /** What a run that skips steps begins with, [B, 3, T, H, W]. */
  start?: Tensor | undefined;
}

/** As native/models/imagen_video/sampling_options.cc tells them. */
export interface SampleArgs
  extends Partial<Pick<StageFields, "prediction" | "guidance" | "threshold" | "fill">> {
  seeds: readonly number[];
  frames: number;
  height: number;
  width: number;
  stream?: number;
  name?: string;
  schedule?: ScheduleFields;
  sampler?: SamplerFields & { skip?: number };
  augmentation_snr?: number;
  align_corners?: boolean;
  known?: object;
  tile?: object;
  pad?: boolean;
  preview_every?: number;
  preview_size?: number;
}

export interface ImagenVideoMethods {
  predict: {
    inputs: PredictInputs;
    /** [B, 3, T, H, W]: v, as the networks are trained here. */
    outputs: { prediction: Tensor };
    args: object;
    item: object;
  };
  sample: {
    inputs: SampleInputs;
    /** float32 [B, 3, T, H, W] in [-1, 1]. */
    outputs: { video: Tensor };
    args: SampleArgs;
    /** uint8 [B, T, h, w, 3], and steps made. */
    item: { preview: Tensor; step: Tensor };
  };
}
