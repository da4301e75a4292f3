/** The numbers of samples that batches are stacked of. */
import { checkOneOf, checkWholeNumber } from "../core/checks.js";
import { invalidArgument, TorchsightError } from "../core/errors.js";
import type { RawImage } from "../media/image.js";
import type { DecodedSample, Sample, SampleArray } from "./dataset.js";
import type { SampleTransform } from "./transforms.js";

/** Of which levels `pixel_values` is made: `(level / 255 - mean) / std`, channel by channel. */
export interface PixelOptions {
  /** Default 0.5 each: with the default of `std`, [-1, 1]. */
  mean?: readonly [number, number, number] | undefined;
  /** Default 0.5 each. */
  std?: readonly [number, number, number] | undefined;
}

/** What `labels` is made of. */
export interface LabelOptions {
  /** How many there are. */
  count: number;
  /** float32 [K] of 0 and 1 (default), or the int64 index of the only one. */
  as?: "multi_hot" | "index" | undefined;
}

const HALVES = [0.5, 0.5, 0.5] as const;

/** Makes float32 `pixel_values`: [3, H, W] of a picture, [frames, 3, H, W] of a clip. */
export function pixelArray({ mean = HALVES, std = HALVES }: PixelOptions): SampleTransform {
  const tables = [0, 1, 2].map((channel) => levels(mean[channel], std[channel]));
  return (sample) => {
    const { images } = sample as DecodedSample;
    const { width, height } = images[0]!;
    const size = 3 * width * height;
    const data = new Float32Array(images.length * size);
    for (const [at, image] of images.entries()) {
      planes(image, tables, data.subarray(at * size, (at + 1) * size));
    }
    const one = [3, height, width];
    const shape = images.length === 1 ? one : [images.length, ...one];
    return withArray(sample, "pixel_values", { data, shape });
  };
}

/** Makes `labels`. */
export function labelArray({ count, as = "multi_hot" }: LabelOptions): SampleTransform {
  checkWholeNumber("count", count ?? 0, 1);
  checkOneOf("as", as, ["multi_hot", "index"]);
  return (sample) => {
    const labels = sample.labels ?? [];
    const odd = labels.find((label) => !(Number.isInteger(label) && label >= 0 && label < count));
    if (odd !== undefined) throw invalidArgument("a label", `a whole number below ${count}`, odd);
    if (as === "index") {
      if (labels.length !== 1) throw invalidArgument("the labels", "one", labels);
      const data = BigInt64Array.of(BigInt(labels[0]!));
      return withArray(sample, "labels", { data, shape: [] });
    }
    const data = new Float32Array(count);
    for (const label of labels) data[label] = 1;
    return withArray(sample, "labels", { data, shape: [count] });
  };
}

/** What each level of a channel becomes. */
function levels(mean: unknown, std: unknown): Float32Array {
  const [middle, width] = [Number(mean), Number(std)];
  if (!Number.isFinite(middle) || !(width > 0)) {
    throw invalidArgument("mean and std", "three numbers each, std above 0", { mean, std });
  }
  return Float32Array.from({ length: 256 }, (_, level) => (level / 255 - middle) / width);
}

/** From pixels side by side to a plane for each channel. */
function planes({ data, channels }: RawImage, tables: Float32Array[], to: Float32Array): void {
  if (channels !== 3)
    throw new TorchsightError("BAD_INPUT", `expected 3 channels, not ${channels}`);
  const area = to.length / 3;
  for (const [channel, table] of tables.entries()) {
    const start = channel * area;
    for (let at = 0; at < area; at += 1) to[start + at] = table[data[3 * at + channel]!]!;
  }
}

function withArray(sample: Sample, name: string, array: SampleArray): Sample {
  return { ...sample, arrays: { ...sample.arrays, [name]: array } };
}
