/**
 * Masks between the codec's 64 x 64 and the pixels of pictures, as big_vision evaluates them
 * (`evaluators/proj/paligemma/transfers/segmentation.py`): resized by Pillow's linear filter, and
 * cut at 0 after that, not before.
 */
import { type ComposeControl, composeJob } from "../../core/compose.js";
import { tensor, zeros } from "../../core/create.js";
import { invalidArgument } from "../../core/errors.js";
import type { Job } from "../../core/job.js";
import { ops } from "../../core/ops.js";
import { tidy } from "../../core/scope.js";
import type { RawImage } from "../../media/image.js";
import { triangle } from "../../media/pillow.js";
import { type Axis, axis, resample } from "../../media/resample.js";
import { MASK_SIDE } from "./mask_codec.js";

/** Left, top, right, bottom in pixels of a picture. */
export type Box = [x0: number, y0: number, x1: number, y1: number];

/** An object's mask in its picture. */
export interface PastedMask {
  /** The whole pixels of the box that lie within the picture; `crop` covers these. */
  box: Box;
  /** How sure each pixel of `box` is to be inside: 0 to 1, row by row. */
  crop: { data: Float32Array; width: number; height: number };
  /** Of the picture's size, one channel: 255 inside of the object, 0 elsewhere. */
  mask: RawImage;
}

/**
 * Brings a map of the codec into its box of a picture. The box's sides are cut down to whole
 * pixels; of a box that reaches beyond the picture the part within is given. A box without a whole
 * pixel gives an empty crop and a mask of zeros.
 *
 * @param map - 64 x 64 numbers, above 0 inside of the object: what `MaskCodec.decode` gives
 * @throws `BAD_INPUT` for maps of another size, boxes that are not finite, pictures of no size
 *
 * @example
 * ```ts
 * const { mask } = await pasteMask(map, object.box, { width: 640, height: 480 });
 * await writeImage(mask, "mask.png");
 * ```
 */
export function pasteMask(
  map: Float32Array,
  box: Readonly<Box>,
  size: { width: number; height: number },
  options: ComposeControl = {},
): Job<PastedMask> {
  return composeJob(options, async (steps) => {
    if (!(map instanceof Float32Array) || map.length !== MASK_SIDE ** 2) {
      throw invalidArgument("the map", `a Float32Array of ${MASK_SIDE ** 2} numbers`, map);
    }
    checkSize(size);
    const [x0, y0, x1, y1] = checkedBox(box).map(Math.trunc) as Box;
    const columns = { from: x0, to: x1, first: Math.max(x0, 0), end: Math.min(x1, size.width) };
    const rows = { from: y0, to: y1, first: Math.max(y0, 0), end: Math.min(y1, size.height) };
    const [width, height] = [columns, rows].map(({ first, end }) => Math.max(end - first, 0));
    if (!width || !height) return nothing(columns.first, rows.first, size);
    return await tidy(async () => {
      const map_HWC = tensor(map, { shape: [MASK_SIDE, MASK_SIDE, 1] });
      const resized = await resample(map_HWC, pasted(rows), pasted(columns), {}, steps);
      const values_hw = ops.reshape(resized, [height, width]);
      const mask_HW = zeros([size.height, size.width], { dtype: "uint8" });
      const top_hW = ops.narrow(mask_HW, 0, rows.first, height);
      const place_hw = ops.narrow(top_hW, 1, columns.first, width);
      const inside_hw = await steps.run(ops.job.gt(values_hw, 0, { ...steps.control }));
      await steps.run(ops.job.masked_fill_(place_hw, inside_hw, 255, { ...steps.control }));
      const half = await steps.run(ops.job.mul(values_hw, 0.5, { ...steps.control }));
      const sure = await steps.run(ops.job.add(half, 0.5, { ...steps.control }));
      await steps.run(ops.job.clamp_(sure, 0, 1, { ...steps.control }));
      return {
        box: [columns.first, rows.first, columns.end, rows.end],
        crop: { data: await sure.as("float32").data(), width, height },
        mask: { data: await mask_HW.data(), ...size, channels: 1 },
      };
    });
  });
}

/**
 * What `MaskCodec.encode` takes of a picture's mask: the pixels of a box, the box's sides rounded
 * to whole pixels, as 64 x 64 numbers from 0 to 1.
 *
 * @param mask - one channel, 0 outside of the object and 255 inside
 * @throws `BAD_INPUT` for a mask of several channels, or a box without a pixel in the picture
 */
export function cutMask(
  mask: RawImage,
  box: Readonly<Box>,
  options: ComposeControl = {},
): Job<Float32Array> {
  return composeJob(options, async (steps) => {
    const { data, width, height, channels } = mask;
    if (channels !== 1 || data.length !== width * height) {
      const expected = "width x height bytes in one channel";
      throw invalidArgument("the mask", expected, { width, height, channels });
    }
    const [x0, y0, x1, y1] = checkedBox(box).map(Math.round) as Box;
    const [left, top] = [Math.max(x0, 0), Math.max(y0, 0)];
    const [columns, rows] = [Math.min(x1, width) - left, Math.min(y1, height) - top];
    if (columns < 1 || rows < 1) {
      throw invalidArgument("the box", `at least a pixel within ${width} x ${height}`, box);
    }
    return await tidy(async () => {
      const mask_HWC = tensor(data, { shape: [height, width, 1] });
      const part_hwC = ops.narrow(ops.narrow(mask_HWC, 0, top, rows), 1, left, columns);
      const squeezed = await resample(
        part_hwC,
        axis(triangle(rows, MASK_SIDE), rows, MASK_SIDE),
        axis(triangle(columns, MASK_SIDE), columns, MASK_SIDE),
        { channels: [{ scale: 1 / 255, shift: 0 }] },
        steps,
      );
      // Weights that come to 1 only nearly may lead beyond it.
      return (await squeezed.data()).map((share) => Math.min(Math.max(share, 0), 1));
    });
  });
}

/** Where a map lies along one axis of a picture, and which of its pixels are within. */
interface Span {
  from: number;
  to: number;
  first: number;
  end: number;
}

function pasted({ from, to, first, end }: Span): Axis {
  const rule = triangle(MASK_SIDE, to - from);
  return axis((i, add) => rule(first - from + i, add), MASK_SIDE, end - first);
}

function nothing(left: number, top: number, size: { width: number; height: number }): PastedMask {
  const { width, height } = size;
  return {
    box: [left, top, left, top],
    crop: { data: new Float32Array(0), width: 0, height: 0 },
    mask: { data: new Uint8Array(width * height), width, height, channels: 1 },
  };
}

function checkSize({ width, height }: { width: number; height: number }): void {
  if ([width, height].every((side) => Number.isSafeInteger(side) && side > 0)) return;
  throw invalidArgument("the size", "a width and a height in pixels", { width, height });
}

function checkedBox(box: Readonly<Box>): Readonly<Box> {
  if (Array.isArray(box) && box.length === 4 && box.every(Number.isFinite)) return box;
  throw invalidArgument("the box", "four finite numbers", box);
}
