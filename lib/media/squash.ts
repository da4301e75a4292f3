/**
 * Pictures brought to a model's size without regard to their aspect ratio: nothing is cut off and
 * nothing padded. The way of CLIP's successors: OWL-ViT, SigLIP, PaliGemma.
 *
 * Sources: transformers 5.18, `image_processing_backends.py`; big_vision, `pp/ops_image.py`.
 */
import type { Steps } from "../core/compose.js";
import { invalidArgument } from "../core/errors.js";
import { ops } from "../core/ops.js";
import type { Tensor } from "../core/tensor.js";
import type { RawImage } from "./image.js";
import { PILLOW_FILTERS, type PillowFilter, pillowResize } from "./pillow.js";
import { batchOf, normalised, normalising, pixelsOf } from "./pixel_values.js";
import type { PixelFields } from "./processor_fields.js";
import { type Axis, axis, resample } from "./resample.js";
import { bilinear } from "./resample_rules.js";

/**
 * A filter of Pillow, or `bilinear-noaa`: TensorFlow's linear interpolation, which is no wider when
 * it shrinks, with levels rounded down as big_vision does.
 */
export type SquashFilter = PillowFilter | "bilinear-noaa";

/** All of them. */
export const SQUASH_FILTERS: readonly SquashFilter[] = [...PILLOW_FILTERS, "bilinear-noaa"];

/**
 * Pictures of any sizes as one batch: float32 [B, 3, height, width], normalised. The work is done
 * in jobs; `steps` are those of the job that asks for it.
 *
 * @param filter - in place of the processor's
 * @throws `BAD_INPUT` without a picture, for one that has not three channels and for an unknown
 *   filter; `SHAPE` where pictures of several sizes are not to be resized
 */
export async function squashedBatch(
  images: readonly RawImage[],
  processor: PixelFields,
  steps: Steps,
  filter?: SquashFilter,
): Promise<Tensor<"float32">> {
  if (filter !== undefined && !SQUASH_FILTERS.includes(filter)) {
    throw invalidArgument("the filter", `one of ${SQUASH_FILTERS.join(", ")}`, filter);
  }
  return await batchOf(images, (image) => squashed(image, processor, steps, filter), steps);
}

/** One picture of {@link squashedBatch}: float32 [3, height, width]. */
export async function squashed(
  image: RawImage,
  processor: PixelFields,
  steps: Steps,
  filter: SquashFilter = PILLOW_FILTERS[processor.resample]!,
): Promise<Tensor<"float32">> {
  const { do_resize, size } = processor;
  const levels_CHW = do_resize
    ? await resized(pixelsOf(image), [size.height, size.width], filter, steps)
    : ops.permute(pixelsOf(image), [2, 0, 1]);
  return await normalised(levels_CHW, normalising(processor), steps);
}

/** [H, W, 3] of uint8 to levels [3, height, width], as uint8 or float32. */
export async function resized(
  pixels_HWC: Tensor<"uint8">,
  [height, width]: readonly [number, number],
  filter: SquashFilter,
  steps: Steps,
): Promise<Tensor> {
  if (filter !== "bilinear-noaa") {
    return await pillowResize(pixels_HWC, [height, width], filter, steps);
  }
  const [rows, columns] = pixels_HWC.shape as [number, number, number];
  const levels_CHW = await resample(
    pixels_HWC,
    linear(rows, height),
    linear(columns, width),
    { channels: new Array(3).fill({ scale: 1, shift: SLACK }) },
    steps,
  );
  return await steps.run(ops.job.floor_(levels_CHW, { ...steps.control }));
}

/** More than sums of equal levels may fall short of them, and less than levels of any matter. */
const SLACK = 2 ** -12;

const linear = (input: number, output: number): Axis =>
  axis(bilinear(input, output), input, output);
