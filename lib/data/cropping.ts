/** Parts and sizes of pictures, by sharp; boxes go along. */
import sharp, { type Sharp } from "sharp";
import { checkOneOf } from "../core/checks.js";
import { invalidArgument } from "../core/errors.js";
import type { RawImage } from "../media/image.js";
import type { DecodedSample, Sample, SampleBox } from "./dataset.js";
import { range, realNumber, wholeNumber } from "./shapesworld/checks.js";
import type { Random } from "./shapesworld/random.js";
import type { SampleTransform } from "./transforms.js";

/** Pixels. */
export type Size = readonly [height: number, width: number];

interface Part {
  left: number;
  top: number;
  width: number;
  height: number;
}

/** Tries to find a part that fits before the middle is taken. */
const TRIES = 10;
const SIDES = [1, 16384] as const;

export function inceptionCrop(options: {
  size: Size;
  area?: readonly [number, number] | undefined;
  aspect?: readonly [number, number] | undefined;
}): SampleTransform {
  const size = sizeOf(options.size);
  const area = range("area", options.area ?? [0.05, 1], [1e-4, 1]);
  const aspect = range("aspect", options.aspect ?? [3 / 4, 4 / 3], [0.01, 100]);
  return async (sample, random) => {
    const part = drawPart(sizeOfImages(sample), area, aspect, random);
    return await changed(sample, part, size);
  };
}

export function resize({ size, fit }: { size: Size; fit?: string | undefined }): SampleTransform {
  const [height, width] = sizeOf(size);
  checkOneOf("fit", fit, ["fill", "cover"]);
  return async (sample) => {
    const [oldHeight, oldWidth] = sizeOfImages(sample);
    const whole = { left: 0, top: 0, width: oldWidth, height: oldHeight };
    const scale = Math.max(height / oldHeight, width / oldWidth);
    const covering: Size = [Math.round(oldHeight * scale), Math.round(oldWidth * scale)];
    return await changed(sample, whole, fit === "cover" ? covering : [height, width]);
  };
}

export function centerCrop(options: { size: Size }): SampleTransform {
  const [height, width] = sizeOf(options.size);
  return async (sample) => {
    const [oldHeight, oldWidth] = sizeOfImages(sample);
    const [top, left] = [(oldHeight - height) >> 1, (oldWidth - width) >> 1];
    if (top < 0 || left < 0) {
      const received = `${oldHeight} x ${oldWidth}`;
      throw invalidArgument("the picture", `at least ${height} x ${width} pixels`, received);
    }
    return await changed(sample, { left, top, width, height }, [height, width]);
  };
}

export function flip({ probability = 0.5 }: { probability?: number | undefined }): SampleTransform {
  realNumber("probability", probability, [0, 1]);
  return async (sample, random) => {
    if (!random.chance(probability)) return sample;
    const [, width] = sizeOfImages(sample);
    const images = [];
    for (const image of (sample as DecodedSample).images) {
      images.push(await rawOf(open(image).flop()));
    }
    const boxes = sample.boxes?.map(
      ([x0, y0, x1, y1]): SampleBox => [width - x1, y0, width - x0, y1],
    );
    return { ...sample, images, boxes };
  };
}

/** A part of a picture whose share of it and whose aspect ratio are drawn. */
function drawPart(
  [height, width]: Size,
  area: readonly [number, number],
  aspect: readonly [number, number],
  random: Random,
): Part {
  for (let tried = 0; tried < TRIES; tried += 1) {
    const share = height * width * random.real(...area);
    const ratio = Math.exp(random.real(Math.log(aspect[0]), Math.log(aspect[1])));
    const wide = Math.round(Math.sqrt(share * ratio));
    const high = Math.round(Math.sqrt(share / ratio));
    if (wide < 1 || high < 1 || wide > width || high > height) continue;
    const [left, top] = [random.below(width - wide + 1), random.below(height - high + 1)];
    return { left, top, width: wide, height: high };
  }
  // The largest in the middle whose aspect ratio is within bounds.
  const ratio = Math.min(Math.max(width / height, aspect[0]), aspect[1]);
  const wide = Math.max(1, Math.min(width, Math.round(height * ratio)));
  const high = Math.max(1, Math.min(height, Math.round(width / ratio)));
  return { left: (width - wide) >> 1, top: (height - high) >> 1, width: wide, height: high };
}

/** A part of all pictures of a sample, brought to a size. */
async function changed(sample: Sample, part: Part, [height, width]: Size): Promise<Sample> {
  const images = [];
  for (const image of (sample as DecodedSample).images) {
    const cut = open(image).extract(part);
    const same = part.width === width && part.height === height;
    const sized = same ? cut : cut.resize(width, height, { fit: "fill", kernel: "linear" });
    images.push(await rawOf(sized));
  }
  return { ...sample, images, ...(sample.boxes && keptBoxes(sample, part, [height, width])) };
}

/** What is left of boxes in a part; those of which nothing is left go, with their labels. */
function keptBoxes({ boxes = [], boxLabels }: Sample, part: Part, [height, width]: Size) {
  const [x, y] = [width / part.width, height / part.height];
  const within = (value: number, most: number) => Math.min(Math.max(value, 0), most);
  const moved = boxes.map(([x0, y0, x1, y1], at) => ({
    box: [
      within((x0 - part.left) * x, width),
      within((y0 - part.top) * y, height),
      within((x1 - part.left) * x, width),
      within((y1 - part.top) * y, height),
    ] as SampleBox,
    label: boxLabels?.[at],
  }));
  const kept = moved.filter(({ box: [x0, y0, x1, y1] }) => x1 > x0 && y1 > y0);
  return {
    boxes: kept.map(({ box }) => box),
    boxLabels: boxLabels && kept.map(({ label }) => label!),
  };
}

function sizeOfImages(sample: Sample): Size {
  const { width, height } = (sample as DecodedSample).images[0]!;
  return [height, width];
}

function open({ data, width, height, channels }: RawImage) {
  const raw = { width, height, channels: channels as 3 };
  return sharp(data, { raw, limitInputPixels: false });
}

async function rawOf(picture: Sharp): Promise<RawImage> {
  const { data, info } = await picture.raw().toBuffer({ resolveWithObject: true });
  return { data, width: info.width, height: info.height, channels: info.channels };
}

function sizeOf(size: unknown): Size {
  if (!Array.isArray(size) || size.length !== 2) {
    throw invalidArgument("size", "[height, width]", size);
  }
  return [wholeNumber("the height", size[0], SIDES), wholeNumber("the width", size[1], SIDES)];
}
