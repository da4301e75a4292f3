/**
 * From pictures to what the image tower takes.
 *
 * Sources: transformers 5.18, `image_processing_pil_siglip.py` and
 * `image_processing_pil_siglip2.py`.
 */
import { checkWholeNumber } from "../../core/checks.js";
import type { Steps } from "../../core/compose.js";
import { type FieldSpec, flag, integer, objectOf, parseFields } from "../../core/config.js";
import { tensor } from "../../core/create.js";
import { invalidArgument } from "../../core/errors.js";
import { ops } from "../../core/ops.js";
import { tidy } from "../../core/scope.js";
import type { Tensor } from "../../core/tensor.js";
import type { RawImage } from "../../media/image.js";
import {
  filterNumber,
  type LevelFields,
  levelFields,
  type PixelFields,
  pixelFields,
  refuseCrop,
} from "../../media/processor_fields.js";
import { squashed, squashedBatch } from "../../media/squash.js";
import type { Siglip2VisionConfig, SiglipVisionConfig } from "./config.js";
import type { PictureInputs } from "./methods.js";

/** The fields of `preprocessor_config.json` for pictures of one size. */
export interface FixedProcessor extends PixelFields {
  image_processor_type: "SiglipImageProcessor";
}

/** For pictures of any aspect ratio. */
export interface FlexibleProcessor extends LevelFields {
  image_processor_type: "Siglip2ImageProcessor";
  do_resize: boolean;
  /** A filter by Pillow's number. */
  resample: number;
  patch_size: number;
  /** Patches of a picture at most, to which all are padded. */
  max_num_patches: number;
}

export type Processor = FixedProcessor | FlexibleProcessor;

const HALF = { mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] };

/** The complete processor; `input` is what a folder tells, or undefined. Throws `BAD_CONFIG`. */
export function parseProcessor(
  input: unknown,
  vision: SiglipVisionConfig | Siglip2VisionConfig,
): Processor {
  const given = input === undefined ? {} : objectOf(input, "the preprocessor config");
  if (vision.model_type === "siglip2_vision_model") {
    const type = "Siglip2ImageProcessor";
    const fields: Record<keyof FlexibleProcessor, FieldSpec> = {
      image_processor_type: { check: () => type, fallback: type },
      do_resize: { check: flag, fallback: true },
      resample: { check: filterNumber, fallback: 2 },
      patch_size: { check: () => vision.patch_size, fallback: vision.patch_size },
      max_num_patches: { check: integer(1), fallback: 256 },
      ...levelFields(HALF),
    };
    return parseFields<FlexibleProcessor>(given, fields);
  }
  const type = "SiglipImageProcessor";
  const fields: Record<keyof FixedProcessor, FieldSpec> = {
    image_processor_type: { check: () => type, fallback: type },
    ...pixelFields({ side: vision.image_size, filter: "bicubic", ...HALF }),
  };
  const processor = parseFields<FixedProcessor>(given, fields);
  refuseCrop(given, processor);
  return processor;
}

/** `processor` with another limit of patches. Throws `BAD_INPUT` where it has none. */
export function withPatches(processor: Processor, most: number | undefined): Processor {
  if (most === undefined) return processor;
  if (!("max_num_patches" in processor)) {
    throw invalidArgument("maxPatches", "nothing, for a model whose pictures have one size", most);
  }
  checkWholeNumber("maxPatches", most, 1);
  return { ...processor, max_num_patches: most };
}

/** Pictures as the tower takes them. Throws `BAD_INPUT`. */
export async function toPixelValues(
  images: readonly RawImage[],
  processor: Processor,
  steps: Steps,
): Promise<PictureInputs> {
  if (processor.image_processor_type === "SiglipImageProcessor") {
    return { pixel_values: await squashedBatch(images, processor, steps) };
  }
  return await patchesOf(images, processor, steps);
}

async function patchesOf(
  images: readonly RawImage[],
  processor: FlexibleProcessor,
  steps: Steps,
): Promise<PictureInputs> {
  const { patch_size: patch, max_num_patches: most, do_resize } = processor;
  const shapes = images.map(({ width, height }) =>
    do_resize
      ? gridOf(height, width, patch, most)
      : ([Math.floor(height / patch), Math.floor(width / patch)] as const),
  );
  const wide = shapes.findIndex(([rows, columns]) => rows * columns > most || rows * columns < 1);
  if (wide >= 0) {
    const expected = `1 to ${most} patches of ${patch} by ${patch} pixels`;
    throw invalidArgument(`images[${wide}]`, expected, shapes[wide]);
  }
  const mask = new BigInt64Array(images.length * most);
  const pixel_values = await tidy(async () => {
    const rows: Tensor[] = [];
    for (const [place, image] of images.entries()) {
      const [height, width] = shapes[place]!;
      mask.fill(1n, place * most, place * most + height * width);
      const size = { height: height * patch, width: width * patch };
      const pixels_CHW = await squashed(image, { ...processor, size }, steps);
      const cut_chpwp = ops.reshape(cropped(pixels_CHW, size), [3, height, patch, width, patch]);
      const values_NI = ops.reshape(ops.permute(cut_chpwp, [1, 3, 2, 4, 0]), [
        height * width,
        patch * patch * 3,
      ]);
      rows.push(ops.constant_pad_nd(values_NI, [0, 0, 0, most - height * width]));
    }
    return await steps.run(ops.job.stack(rows, { ...steps.control }));
  });
  return {
    pixel_values,
    pixel_attention_mask: tensor(mask, { shape: [images.length, most] }),
    spatial_shapes: tensor(BigInt64Array.from(shapes.flat(), BigInt), {
      shape: [images.length, 2],
    }),
  };
}

/** Pixels beyond the last whole patch are not seen. */
function cropped(pixels_CHW: Tensor, { height, width }: { height: number; width: number }): Tensor {
  return ops.narrow(ops.narrow(pixels_CHW, 1, 0, height), 2, 0, width);
}

/** How far the search for the scale goes; transformers' own numbers, so that grids are equal. */
const PRECISION = 1e-5;
const LARGEST_SCALE = 100;

/** The largest grid of patches near a picture's aspect ratio that has at most so many. */
export function gridOf(
  height: number,
  width: number,
  patch: number,
  most: number,
): readonly [rows: number, columns: number] {
  const count = (size: number, scale: number) =>
    Math.trunc(Math.max(patch, Math.ceil((size * scale) / patch) * patch) / patch);
  let [low, high] = [PRECISION / 10, LARGEST_SCALE];
  while (high - low >= PRECISION) {
    const scale = (low + high) / 2;
    if (count(height, scale) * count(width, scale) <= most) low = scale;
    else high = scale;
  }
  return [count(height, low), count(width, low)];
}
