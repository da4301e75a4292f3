/** Videos and texts that users give, as stages take them. */
import { zeros } from "../core/create.js";
import { invalidArgument } from "../core/errors.js";
import { ops } from "../core/ops.js";
import { Tensor } from "../core/tensor.js";
import { fromFrames } from "../models/imagen_video/index.js";
import type { VideoSource } from "./options.js";
import { GeneratedVideo } from "./result.js";

/** A video as float32 [B, 3, T, H, W] in [-1, 1]. Throws `BAD_INPUT`, naming it. */
export function videoOf(name: string, source: VideoSource): Tensor<"float32"> {
  if (source instanceof GeneratedVideo) return source.video;
  const shape = source instanceof Tensor ? source.shape : [];
  if (source instanceof Tensor && shape.length === 5 && !shape.includes(0)) {
    if (source.dtype === "uint8" && shape[4] === 3) return fromFrames(source);
    if (source.dtype === "float32" && shape[1] === 3) return source.as("float32");
  }
  const expected = "uint8 frames [B, T, H, W, 3] or float32 [B, 3, T, H, W]";
  const received = source instanceof Tensor ? [source.dtype, shape] : source;
  throw invalidArgument(name, expected, received);
}

/**
 * How many samples there are, where each part has one for all or one for each. Throws `BAD_INPUT`,
 * naming the part that does not fit.
 */
export function samplesOf(counts: Readonly<Record<string, number | undefined>>): number {
  const given = Object.entries(counts).filter((entry) => entry[1] !== undefined);
  const most = Math.max(1, ...given.map(([, count]) => count!));
  for (const [name, count] of given) {
    if (count === 1 || count === most) continue;
    throw invalidArgument(name, `one for all samples, or ${most}, one for each,`, count);
  }
  return most;
}

/** A tensor with one entry for all samples as one for each. */
export function spread<T extends Tensor>(tensor: T, samples: number): T {
  if (tensor.shape[0] === samples) return tensor;
  return ops.expand(tensor, [samples, ...tensor.shape.slice(1)]) as T;
}

/** `tensor` with zeros behind its second dimension up to `length`. */
export function lengthened(tensor: Tensor, length: number): Tensor {
  const [rows, given, ...rest] = tensor.shape as [number, number];
  if (given === length) return tensor;
  const more = zeros([rows, length - given, ...rest], { dtype: tensor.dtype });
  return ops.cat([tensor, more.to(tensor.device as "cpu")], 1);
}
