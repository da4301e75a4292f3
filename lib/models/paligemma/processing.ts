/**
 * From pictures to `pixel_values`: squashed to the model's square, x / 127.5 - 1.
 *
 * Sources: transformers 5.18, `image_processing_siglip.py`; big_vision, `pp/ops_image.py` and
 * `configs/proj/paligemma`.
 */
import type { Steps } from "../../core/compose.js";
import { badField, type FieldSpec, objectOf, parseFields } from "../../core/config.js";
import { invalidArgument } from "../../core/errors.js";
import type { Tensor } from "../../core/tensor.js";
import type { RawImage } from "../../media/image.js";
import { type PixelFields, pixelFields, refuseCrop } from "../../media/processor_fields.js";
import { squashedBatch } from "../../media/squash.js";

/** The fields of `preprocessor_config.json`, complete. {@link parseProcessor} makes one. */
export interface Processor extends PixelFields {
  image_processor_type: "SiglipImageProcessor";
}

/**
 * How pictures are resized: `bicubic` as transformers does, `bilinear` as most of big_vision's
 * evaluations do, `bilinear-noaa` (without widening the filter) as its COCO captions and RefCOCO.
 */
export type Filter = "bicubic" | "bilinear" | "bilinear-noaa";

export const FILTERS: readonly Filter[] = ["bicubic", "bilinear", "bilinear-noaa"];

const HALF = [0.5, 0.5, 0.5];

/**
 * The complete processor from the contents of a `preprocessor_config.json`, or undefined where
 * there is none. Fields of other tools are left out. Throws `BAD_CONFIG` where the size is not the
 * model's.
 *
 * @param imageSize - pixels of the model's side
 */
export function parseProcessor(input: unknown, imageSize: number): Processor {
  const given = input === undefined ? {} : objectOf(input, "the preprocessor config");
  const type = "SiglipImageProcessor";
  const fields: Record<keyof Processor, FieldSpec> = {
    image_processor_type: { check: () => type, fallback: type },
    ...pixelFields({ side: imageSize, filter: "bicubic", mean: HALF, std: HALF }),
  };
  const processor = parseFields<Processor>(given, fields);
  refuseCrop(given, processor);
  const { height, width } = processor.size;
  if (height === imageSize && width === imageSize) return processor;
  throw badField("size", `${imageSize} by ${imageSize}, as the model,`, [height, width]);
}

/** Pictures of any sizes as one batch: float32 [I, 3, height, width]. Throws `BAD_INPUT`. */
export async function toPixelValues(
  images: readonly RawImage[],
  processor: Processor,
  filter: Filter | undefined,
  steps: Steps,
): Promise<Tensor<"float32">> {
  if (filter !== undefined && !FILTERS.includes(filter)) {
    throw invalidArgument("filter", `one of ${FILTERS.join(", ")}`, filter);
  }
  return await squashedBatch(images, processor, steps, filter);
}
