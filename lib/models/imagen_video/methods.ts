/** Types of the native methods, whose schemas are in native/models/imagen_video/imagen_video.cc. */
import type { Tensor } from "../../core/tensor.js";

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

export interface ImagenVideoMethods {
  predict: {
    inputs: PredictInputs;
    /** [B, 3, T, H, W]: v, as the networks are trained here. */
    outputs: { prediction: Tensor };
    args: object;
    item: object;
  };
}
