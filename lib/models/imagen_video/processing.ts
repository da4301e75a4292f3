/** From frames to what the networks take, and back. */
import { invalidArgument } from "../../core/errors.js";
import { ops } from "../../core/ops.js";
import type { Tensor } from "../../core/tensor.js";

function checkVideo(name: string, video: Tensor, dtype: string): void {
  if (video.shape.length === 5 && video.dtype === dtype) return;
  throw invalidArgument(name, `a video of five dimensions of ${dtype}`, [video.dtype, video.shape]);
}

/** uint8 [B, T, H, W, 3] to float32 [B, 3, T, H, W] from -1 to 1. */
export function fromFrames(frames_BTHWC: Tensor): Tensor<"float32"> {
  checkVideo("the frames", frames_BTHWC, "uint8");
  const video = ops.permute(frames_BTHWC, [0, 4, 1, 2, 3]).to("float32");
  return ops.contiguous(ops.sub(ops.div(video, 127.5), 1)).as("float32");
}

/** float32 [B, 3, T, H, W] from -1 to 1 to uint8 [B, T, H, W, 3], rounded and clipped. */
export function toFrames(video_BCTHW: Tensor): Tensor<"uint8"> {
  checkVideo("the video", video_BCTHW, "float32");
  const levels = ops.round(ops.mul(ops.add(ops.clamp(video_BCTHW, -1, 1), 1), 127.5));
  return ops.contiguous(ops.permute(levels.to("uint8"), [0, 2, 3, 4, 1])).as("uint8");
}
