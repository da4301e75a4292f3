/** Pictures to what the image tower and the heads say of them. */
import type { Steps } from "../../core/compose.js";
import { invalidArgument } from "../../core/errors.js";
import type { Module } from "../../core/module.js";
import { ops } from "../../core/ops.js";
import { tidy } from "../../core/scope.js";
import type { Tensor } from "../../core/tensor.js";
import { decodeImage, type ImageSource } from "../../media/image.js";
import { ImageEmbedding, type ImageTensors } from "./embeddings.js";
import type { OwlViTMethods, SizeArgs } from "./methods.js";
import { boxMap, toPixelValues } from "./processing.js";
import { adjusted, type ProcessingOptions, type Processor } from "./processor.js";

/** How pictures are embedded. */
export interface ImageOptions extends ProcessingOptions {
  /** Pixels of the model's square input, in place of the model's own. Fewer are faster. */
  size?: number | undefined;
  /**
   * Where positions for another `size` come from: `interpolate` (default) resizes the model's, as
   * transformers does; `truncate` uses the top left of them, as scenic does, and takes smaller
   * sizes alone. OWLv2 was trained at all scales and stays good under it.
   */
  positions?: "interpolate" | "truncate" | undefined;
}

/** One after another, or as one batch: the pictures of a list that is embedded at once. */
export async function embedImages(
  module: Module<OwlViTMethods>,
  images: readonly ImageSource[],
  processor: Processor,
  options: ImageOptions,
  steps: Steps,
): Promise<ImageEmbedding[]> {
  const wanted = adjusted(processor, options);
  const args = sizeArgs(options);
  const decoded = await Promise.all(images.map((image) => decodeImage(image)));
  const outputs = await tidy(async () => {
    const pixel_values = await toPixelValues(decoded, wanted, steps, options.size);
    const job = module.call("embed_image", { pixel_values }, { args, ...steps.control });
    const { taps: _, ...tensors } = await steps.run(job);
    return tensors;
  });
  const parts = split(outputs, decoded.length);
  return decoded.map(({ width, height }, index) => {
    const size = { width, height };
    return new ImageEmbedding(parts[index]!, size, boxMap(size, wanted));
  });
}

/** How the model takes pictures of that size. Throws `BAD_INPUT`. */
function sizeArgs({ size, positions = "interpolate" }: ImageOptions): SizeArgs {
  if (positions !== "interpolate" && positions !== "truncate") {
    throw invalidArgument("positions", "interpolate or truncate", positions);
  }
  if (size === undefined) return {};
  return positions === "truncate"
    ? { truncate_pos_encoding: true }
    : { interpolate_pos_encoding: true };
}

/** A batch as batches of one. */
function split(outputs: ImageTensors, count: number): ImageTensors[] {
  if (count === 1) return [outputs];
  const named = Object.entries(outputs) as [string, Tensor][];
  const parts = Array.from({ length: count }, (_, index) =>
    Object.fromEntries(named.map(([name, all]) => [name, ops.narrow(all, 0, index, 1)])),
  );
  for (const [, all] of named) all.dispose();
  return parts as unknown as ImageTensors[];
}
