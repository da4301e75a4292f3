/**
 * Resizing as weighted sums of lines of pixels, one axis after the other. The sums are taken by
 * libtorch's `embedding_bag`, which adds up weighted rows of a matrix. It touches only what has a
 * weight: a dense product with the same weights takes ten times as long.
 */
import type { Steps } from "../core/compose.js";
import { empty, tensor } from "../core/create.js";
import { TorchsightError } from "../core/errors.js";
import { ops } from "../core/ops.js";
import type { Device } from "../core/ops-types.js";
import { tidy } from "../core/scope.js";
import type { Tensor } from "../core/tensor.js";
import type { Rule } from "./resample_rules.js";

/** The sums of all pixels along one axis of a result. */
export interface Axis {
  /** Pixels of the picture; positions from here on lie beyond it. */
  input: number;
  /** Pixels of the result. */
  output: number;
  positions: Int32Array;
  weights: Float64Array;
  /** Where the entries of each output begin in `positions`, and where the last one's end. */
  starts: Int32Array;
  /** For each output, the weight that falls beyond the picture. */
  beyond: Float64Array;
}

/** Writes out a rule for `output` pixels that are sums of `input` ones. */
export function axis(rule: Rule, input: number, output: number): Axis {
  const positions: number[] = [];
  const weights: number[] = [];
  const starts = new Int32Array(output + 1);
  const beyond = new Float64Array(output);
  for (let i = 0; i < output; i += 1) {
    rule(i, (position, weight) => {
      if (position < input) {
        positions.push(position);
        weights.push(weight);
      } else beyond[i]! += weight;
    });
    starts[i + 1] = positions.length;
  }
  return {
    input,
    output,
    positions: Int32Array.from(positions),
    weights: Float64Array.from(weights),
    starts,
    beyond,
  };
}

/** What becomes of a sum: it is multiplied by `scale`, then `shift` is added. */
export interface Affine {
  scale: number;
  shift: number;
}

/** How {@link resample} fills and maps. */
export interface ResampleOptions {
  /** The value of what lies beyond the picture at the right and at the bottom. Default 0. */
  beyond?: number;
  /** What becomes of each channel. Default: nothing changes. */
  channels?: readonly Affine[];
  /** Whether to round to whole levels of 8 bits after each axis, as Pillow does. */
  levels?: boolean;
}

/** Numbers that are unpacked from a picture at a time: 16 MiB of them. */
const STRIP = 2 ** 22;

/**
 * Resizes a picture of any dtype on its device, columns first: [H, W, C] to float32
 * [C, rows.output, columns.output].
 */
export async function resample(
  pixels_HWC: Tensor,
  rows: Axis,
  columns: Axis,
  options: ResampleOptions,
  steps: Steps,
): Promise<Tensor<"float32">> {
  const { beyond = 0, levels = false } = options;
  const [height, width, depth] = checkedShape(pixels_HWC, rows, columns);
  const unchanged: Affine = { scale: 1, shift: levels ? 0.5 : 0 };
  const channels = options.channels ?? new Array<Affine>(depth).fill(unchanged);
  return await tidy(async () => {
    const narrow = matrix(depth * height, columns.output, pixels_HWC.device);
    const narrow_CHX = ops.reshape(narrow.values, [depth, height, columns.output]);
    const strip = Math.max(1, Math.floor(STRIP / (width * depth)));
    for (let top = 0; top < height; top += strip) {
      const count = Math.min(strip, height - top);
      await tidy(async () => {
        const part_WCh = ops.permute(ops.narrow(pixels_HWC, 0, top, count), [1, 2, 0]);
        const lines = matrix(width, depth * count, pixels_HWC.device);
        const lines_WCh = ops.reshape(lines.values, [width, depth, count]);
        await steps.run(ops.job.copy_(lines_WCh, part_WCh, { ...steps.control }));
        const sums = await sum(lines, bags(columns, [unchanged], beyond), levels, steps);
        const sums_ChX = ops.permute(ops.reshape(sums, [-1, depth, count]), [1, 2, 0]);
        const place_ChX = ops.narrow(narrow_CHX, 1, top, count);
        await steps.run(ops.job.copy_(place_ChX, sums_ChX, { ...steps.control }));
      });
    }
    const sums = await sum(narrow, bags(rows, channels, beyond), levels, steps);
    return ops.reshape(sums, [depth, rows.output, columns.output]).as("float32");
  });
}

function checkedShape({ shape }: Tensor, rows: Axis, columns: Axis): [number, number, number] {
  const [height, width, depth] = shape;
  if (shape.length === 3 && height === rows.input && width === columns.input) {
    return [height, width, depth!];
  }
  throw new TorchsightError(
    "SHAPE",
    `expected shape [${rows.input}, ${columns.input}, C] for the pixels but received ` +
      `[${shape.join(", ")}]`,
  );
}

/** Rows to be summed, and the same with a row of ones after them. */
interface Matrix {
  values: Tensor;
  withOnes: Tensor;
}

function matrix(rows: number, columns: number, device: string): Matrix {
  const withOnes = empty([rows + 1, columns], { device: device as Device });
  ops.fill_(ops.select(withOnes, 0, rows), 1);
  return { values: ops.narrow(withOnes, 0, 0, rows), withOnes };
}

/** The entries of all sums, as `embedding_bag` takes them. */
interface Bags {
  positions: Int32Array;
  weights: Float32Array;
  starts: Int32Array;
}

/**
 * The sums of an axis for rows of several channels one below the other. Constants are multiples of
 * the row of ones after them.
 */
function bags(along: Axis, channels: readonly Affine[], beyond: number): Bags {
  const { input, output, starts } = along;
  const total = along.positions.length + output;
  const made: Bags = {
    positions: new Int32Array(channels.length * total),
    weights: new Float32Array(channels.length * total),
    starts: new Int32Array(channels.length * output),
  };
  let at = 0;
  for (const [channel, { scale, shift }] of channels.entries()) {
    for (let i = 0; i < output; i += 1) {
      made.starts[channel * output + i] = at;
      for (let entry = starts[i]!; entry < starts[i + 1]!; entry += 1, at += 1) {
        made.positions[at] = channel * input + along.positions[entry]!;
        made.weights[at] = scale * along.weights[entry]!;
      }
      made.positions[at] = channels.length * input;
      made.weights[at] = scale * beyond * along.beyond[i]! + shift;
      at += 1;
    }
  }
  return made;
}

/** Weighted sums of rows: [N + 1, M] to [sums, M]. */
async function sum(
  { withOnes }: Matrix,
  { positions, weights, starts }: Bags,
  levels: boolean,
  steps: Steps,
): Promise<Tensor> {
  const to = { device: withOnes.device as Device };
  const job = ops.job.embedding_bag(withOnes, tensor(positions, to), tensor(starts, to), {
    per_sample_weights: tensor(weights, to),
    ...steps.control,
  });
  const [sums] = await steps.run(job);
  if (!levels) return sums;
  await steps.run(ops.job.floor_(sums, { ...steps.control }));
  return await steps.run(ops.job.clamp_(sums, 0, 255, { ...steps.control }));
}
