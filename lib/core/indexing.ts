import { tensor } from "./create.js";
import type { DType } from "./dtype.js";
import { invalidArgument, TorchsightError } from "./errors.js";
import { ops } from "./ops.js";
import type { Device } from "./ops-types.js";
import { isScalar, type Scalar } from "./scalar.js";
import { tidy } from "./scope.js";
import { Tensor } from "./tensor.js";

/** A range of a dimension: from `start` up to, not with, `stop`, every `step`. */
export class Slice {
  constructor(
    readonly start: number | null,
    readonly stop: number | null,
    readonly step: number,
  ) {}
}

/**
 * A range of a dimension, as Python's `start:stop:step`. Negative bounds count from the end.
 *
 * @example
 * ```ts
 * x.index(slice(1, -1)); // all but the first and the last
 * ```
 */
export function slice(start: number | null = null, stop: number | null = null, step = 1): Slice {
  for (const [name, bound] of Object.entries({ start, stop })) {
    if (bound !== null && !Number.isInteger(bound)) {
      throw invalidArgument(name, "an integer or null", bound);
    }
  }
  if (!Number.isInteger(step) || step < 1)
    throw invalidArgument("step", "an integer above 0", step);
  return new Slice(start, stop, step);
}

type Bound = number | "";

/** A {@link slice} as Python writes it. */
export type SliceText = `${Bound}:${Bound}` | `${Bound}:${Bound}:${Bound}`;

/** What {@link Tensor.index} takes for a dimension. */
export type Index =
  | number
  | boolean
  | null
  | "..."
  | SliceText
  | Slice
  | Tensor
  | readonly number[];

/** The part of `self` that `indices` name. */
export function indexBy<D extends DType>(self: Tensor<D>, indices: readonly Index[]): Tensor<D> {
  return tidy(() => {
    const { view, gathered } = applyBasic(self, indices);
    return gathered.length === 0 ? view : ops.index(view, gathered);
  }) as Tensor<D>;
}

/** Writes `value` to the part of `self` that `indices` name. */
export function assignAt(self: Tensor, indices: readonly Index[], value: Tensor | Scalar): void {
  if (!(value instanceof Tensor) && !isScalar(value)) {
    throw invalidArgument("value", "a tensor or a scalar", value);
  }
  tidy(() => {
    const { view, gathered } = applyBasic(self, indices);
    if (gathered.length > 0) {
      const { dtype } = self;
      const device = self.device as Device;
      const values = value instanceof Tensor ? value : ops.full([], value, { dtype, device });
      ops.index_put_(view, gathered, ops.to(values, { dtype }));
    } else if (value instanceof Tensor) {
      ops.copy_(view, value);
    } else {
      ops.fill_(view, value);
    }
  });
}

interface Basic {
  /** What is left once numbers, slices and new dimensions are applied. */
  readonly view: Tensor;
  /** Gathering indices by dimension of `view`; null where a dimension is kept whole. */
  readonly gathered: (Tensor | null)[];
}

function applyBasic(self: Tensor, indices: readonly Index[]): Basic {
  const ndim = self.ndim;
  const named = indices.reduce<number>((count, index) => count + dimensionsOf(index), 0);
  if (named > ndim) {
    throw new TorchsightError("SHAPE", `expected at most ${ndim} indices but received ${named}`);
  }
  if (indices.filter((index) => index === "...").length > 1) {
    throw invalidArgument("indices", 'at most one "..."', indices);
  }
  // A handle of its own, so that what is returned is never `self`, which the caller may dispose of.
  let view: Tensor = ops.alias(self);
  let dim = 0;
  const gathered: (Tensor | null)[] = [];
  const gather = (index: Tensor, width: number): void => {
    while (gathered.length < dim) gathered.push(null);
    gathered.push(index);
    dim += width;
  };
  for (const index of indices) {
    if (typeof index === "number") {
      view = ops.select(view, dim, checkBounds(index, view.shape[dim] as number, dim));
    } else if (index === "...") {
      dim += ndim - named;
    } else if (index === null) {
      view = ops.unsqueeze(view, dim);
      dim += 1;
    } else if (typeof index === "boolean") {
      // A new dimension that is kept, or emptied.
      view = ops.unsqueeze(view, dim);
      gather(tensor(index ? [0] : [], { dtype: "int64" }), 1);
    } else if (index instanceof Tensor) {
      gather(index, index.dtype === "bool" ? index.ndim : 1);
    } else if (index instanceof Slice || typeof index === "string") {
      const { start, stop, step } = index instanceof Slice ? index : parseSlice(index);
      view = ops.slice(view, dim, start, stop, step);
      dim += 1;
    } else if (Array.isArray(index)) {
      gather(tensor(index as number[], { dtype: "int64" }), 1);
    } else {
      throw invalidArgument("indices", "a number, slice, tensor, array, null or ...", index);
    }
  }
  return { view, gathered };
}

/** How many dimensions of the tensor an index is for. */
function dimensionsOf(index: Index): number {
  if (index === null || index === "..." || typeof index === "boolean") return 0;
  if (index instanceof Tensor) return index.dtype === "bool" ? index.ndim : 1;
  return 1;
}

function checkBounds(index: number, size: number, dim: number): number {
  if (Number.isInteger(index) && index >= -size && index < size) return index;
  throw invalidArgument(
    "index",
    `an integer from ${-size} to ${size - 1} in dimension ${dim}`,
    index,
  );
}

function parseSlice(text: string): Slice {
  const parts = /^(-?\d+)?:(-?\d+)?(?::(-?\d+)?)?$/.exec(text);
  if (parts === null) throw invalidArgument("index", 'a slice such as "1:3" or "::2"', text);
  const [start, stop, step] = parts.slice(1).map((part) => (part ? Number(part) : null));
  return slice(start, stop, step ?? 1);
}
