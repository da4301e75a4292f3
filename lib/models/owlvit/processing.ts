/**
 * From pictures to `pixel_values`, and between the model's frame and a picture's pixels.
 *
 * Sources: transformers 5.18, `image_processing_pil_owlvit.py` and `image_processing_pil_owlv2.py`;
 * scenic, `projects/owl_vit/notebooks/inference.py` and `preprocessing/image_ops.py`.
 */
import type { Steps } from "../../core/compose.js";
import type { Tensor } from "../../core/tensor.js";
import type { RawImage } from "../../media/image.js";
import { batchOf, normalising, pixelsOf } from "../../media/pixel_values.js";
import { withSide } from "../../media/processor_fields.js";
import { type Axis, axis, resample } from "../../media/resample.js";
import { bilinear, shortBlur, skimage, upTo } from "../../media/resample_rules.js";
import { squashed } from "../../media/squash.js";
import type { Processor } from "./processor.js";

/** A size in pixels. */
export interface Size {
  width: number;
  height: number;
}

/** What the unit of the model's frame is in pixels of a picture, along each axis. */
export interface BoxMap {
  x: number;
  y: number;
}

/**
 * What boxes of the model, which are relative to its input, are multiplied by to be in pixels of
 * the picture: its own sides where it is squashed, those of the square where it is padded to one.
 * Boxes in pixels are divided by it to be in the model's frame.
 */
export function boxMap({ width, height }: Size, processor: Processor): BoxMap {
  const { protocol, size } = processor;
  if (protocol === "pad" && processor.do_pad) {
    const side = Math.max(width, height);
    return { x: side, y: side };
  }
  if (protocol !== "scenic-eval") return { x: width, y: height };
  return height * size.width >= width * size.height
    ? { x: (height * size.width) / size.height, y: height }
    : { x: width, y: (width * size.height) / size.width };
}

/** What the picture covers of the model's frame, [x0, y0, x1, y1] of 1: all but padding. */
export function contentBox(image: Size, processor: Processor): Float32Array {
  const { x, y } = boxMap(image, processor);
  return Float32Array.of(0, 0, image.width / x, image.height / y);
}

/**
 * Pictures of any sizes as one batch: float32 [B, 3, height, width], normalised. The work is done
 * in jobs; `steps` are those of the job that asks for it.
 *
 * @param side - pixels of the model's square input, in place of the processor's `size`
 * @throws `BAD_INPUT` without a picture or for one that has not three channels, `SHAPE` where
 * pictures of several sizes are not to be resized
 */
export async function toPixelValues(
  images: readonly RawImage[],
  processor: Processor,
  steps: Steps,
  side?: number,
): Promise<Tensor<"float32">> {
  const wanted = side === undefined ? processor : withSide(processor, side);
  return await batchOf(images, (image) => prepared(image, wanted, steps), steps);
}

/** One picture: float32 [3, height, width]. */
async function prepared(
  image: RawImage,
  processor: Processor,
  steps: Steps,
): Promise<Tensor<"float32">> {
  if (processor.protocol === "hf") return await squashed(image, processor, steps);
  const [rows, columns] = axes(image, processor);
  const beyond = processor.pad_value / (processor.do_rescale ? processor.rescale_factor : 1);
  const channels = normalising(processor);
  return await resample(pixelsOf(image), rows, columns, { beyond, channels }, steps);
}

/** How rows and columns become those of the model's input, with padding below and to the right. */
function axes(image: Size, processor: Processor): [rows: Axis, columns: Axis] {
  const { width, height } = image;
  const frame = boxMap(image, processor);
  const { do_resize, protocol, resize_rule } = processor;
  const size = do_resize ? processor.size : { width: frame.x, height: frame.y };
  if (protocol === "scenic-eval") {
    const fit = fitted(image, size);
    return [
      axis(upTo(fit.height, bilinear(height, fit.height)), height, size.height),
      axis(upTo(fit.width, bilinear(width, fit.width)), width, size.width),
    ];
  }
  const shrinks = frame.y > size.height && frame.x > size.width;
  const rule = (input: number, output: number) =>
    resize_rule === "skimage" ? skimage(input, output) : shortBlur(input, output, shrinks);
  return [
    axis(rule(frame.y, size.height), height, size.height),
    axis(rule(frame.x, size.width), width, size.width),
  ];
}

/** The largest sides of the picture's shape within `size`, in float32 as scenic works them out. */
function fitted({ width, height }: Size, size: Size): Size {
  const f = Math.fround;
  const ratio = Math.max(f(height / size.height), f(width / size.width));
  const within = (side: number, most: number) =>
    Math.max(1, Math.floor(Math.min(f(side / ratio), most)));
  return { width: within(width, size.width), height: within(height, size.height) };
}
