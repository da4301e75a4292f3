/**
 * The fields that `preprocessor_config.json` of most models has: what size pictures are brought to,
 * by which filter, and how their levels become numbers.
 */
import { readConfig } from "../core/checkpoint.js";
import { badField, type Field, type FieldSpec, flag, positive } from "../core/config.js";
import { invalidArgument } from "../core/errors.js";
import { PILLOW_FILTERS, type PillowFilter } from "./pillow.js";

/** Where a model's folder tells how its pictures are prepared. */
export const PROCESSOR_FILE = "preprocessor_config.json";

/** Where folders saved by transformers 5 tell it, under `image_processor`; older ones do not. */
const NESTING_FILE = "processor_config.json";

/**
 * What the folder of a checkpoint tells of pictures, as transformers reads it; undefined where it
 * tells nothing. Throws `BAD_CONFIG` for what is not JSON.
 */
export function readProcessor(path: string): unknown {
  const whole = readConfig(path, NESTING_FILE) as { image_processor?: unknown } | null | undefined;
  return whole?.image_processor ?? readConfig(path, PROCESSOR_FILE);
}

/** How levels, 0 … 255, become what a model takes. */
export interface LevelFields {
  do_rescale: boolean;
  rescale_factor: number;
  do_normalize: boolean;
  /** Per channel, of rescaled values. */
  image_mean: readonly number[];
  image_std: readonly number[];
}

/** How a picture of any size becomes one of the model's. */
export interface PixelFields extends LevelFields {
  do_resize: boolean;
  /** Pixels of the model's input. */
  size: { height: number; width: number };
  /** A filter by Pillow's number: nearest, lanczos, bilinear, bicubic, box, hamming. */
  resample: number;
}

/** What files that leave fields out mean. */
export interface LevelDefaults {
  mean: readonly number[];
  std: readonly number[];
}

/** As {@link LevelDefaults}, for all of {@link PixelFields}. */
export interface PixelDefaults extends LevelDefaults {
  /** Pixels of a side of the model's square input. */
  side: number;
  filter: PillowFilter;
}

/** Checks of {@link LevelFields}, for `parseFields`. */
export function levelFields({ mean, std }: LevelDefaults): Record<keyof LevelFields, FieldSpec> {
  return {
    do_rescale: { check: flag, fallback: true },
    rescale_factor: { check: positive(1), fallback: 1 / 255 },
    do_normalize: { check: flag, fallback: true },
    image_mean: { check: perChannel(Number.isFinite, "numbers"), fallback: mean },
    image_std: { check: perChannel((value) => value > 0, "numbers above 0"), fallback: std },
  };
}

/** Checks of {@link PixelFields}, for `parseFields`. */
export function pixelFields(defaults: PixelDefaults): Record<keyof PixelFields, FieldSpec> {
  return {
    do_resize: { check: flag, fallback: true },
    size: { check: sides, fallback: defaults.side },
    resample: { check: filterNumber, fallback: PILLOW_FILTERS.indexOf(defaults.filter) },
    ...levelFields(defaults),
  };
}

/** A number for a square, [height, width] or {height, width}. */
export const sides: Field = (name, value) => {
  const listed = typeof value === "number" ? [value, value] : value;
  const { height, width } = (
    Array.isArray(listed) && listed.length === 2
      ? { height: listed[0], width: listed[1] }
      : (listed ?? {})
  ) as Record<string, unknown>;
  const isSide = (side: unknown) => Number.isSafeInteger(side) && (side as number) > 0;
  if (isSide(height) && isSide(width)) return { height, width };
  throw badField(name, "a number of pixels or {height, width}", value);
};

/** A filter by Pillow's number. */
export const filterNumber: Field = (name, value) => {
  if (Number.isInteger(value) && PILLOW_FILTERS[value as number] !== undefined) return value;
  throw badField(name, `a filter of Pillow from 0 to ${PILLOW_FILTERS.length - 1}`, value);
};

/** One number for all channels, or three. */
const perChannel =
  (accepts: (value: number) => boolean, expected: string): Field =>
  (name, value) => {
    const values = typeof value === "number" ? [value, value, value] : value;
    const fits = (one: unknown) => typeof one === "number" && accepts(one);
    if (Array.isArray(values) && values.length === 3 && values.every(fits)) return values;
    throw badField(name, `three ${expected}`, value);
  };

/**
 * Throws `BAD_CONFIG` for a crop that cuts something off: here pictures are seen whole, and places
 * in them map back.
 */
export function refuseCrop(
  given: Record<string, unknown>,
  { size, do_resize }: Pick<PixelFields, "size" | "do_resize">,
): void {
  if (!flag("do_center_crop", given.do_center_crop ?? false)) return;
  const crop = sides("crop_size", given.crop_size ?? size) as PixelFields["size"];
  if (do_resize && crop.height === size.height && crop.width === size.width) return;
  throw badField("do_center_crop", "false, or a crop_size equal to size", true);
}

/** `processor` for a square input of `side` pixels. Throws `BAD_INPUT`. */
export function withSide<P extends Pick<PixelFields, "size">>(processor: P, side: number): P {
  if (!Number.isSafeInteger(side) || side < 1) {
    throw invalidArgument("the size", "a positive integer", side);
  }
  return { ...processor, size: { height: side, width: side } };
}
