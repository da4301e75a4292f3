import { DTYPES, type DType, type ItemOf, type TypedArrayOf, typedArray } from "./dtype.js";
import { elementReader, toItem } from "./elements.js";
import { TorchsightError } from "./errors.js";
import type { JobControl } from "./job.js";
import { startJob } from "./jobs.js";
import { ops } from "./ops.js";
import { fromNative, native } from "./runtime.js";
import { type Tensor, tensorId } from "./tensor.js";

/** An element, or arrays of them, one level for each dimension. */
export type Nested<T> = T | Nested<T>[];

/** Tensors of at most this many bytes are copied at once; a job costs more than that copy. */
const AT_ONCE = 64 * 1024;

/** The elements in row-major order, read at once. */
export function readBytesNow(tensor: Tensor): ArrayBuffer {
  try {
    if (tensor.device === "cpu") return native().tensorBytes(tensorId(tensor));
    const copy = ops.to(tensor, { device: "cpu" });
    try {
      return native().tensorBytes(tensorId(copy));
    } finally {
      copy.dispose();
    }
  } catch (error) {
    throw fromNative(error);
  }
}

async function readBytes(tensor: Tensor, control: JobControl | undefined): Promise<ArrayBuffer> {
  const id = tensorId(tensor);
  const bytes = tensor.numel * DTYPES[tensor.dtype].bytes;
  if (tensor.device === "cpu" && bytes <= AT_ONCE) {
    control?.signal?.throwIfAborted();
    return readBytesNow(tensor);
  }
  return startJob(
    {
      submit: (options) => native().submitRead(id, options),
      decode: (value) => value as ArrayBuffer,
    },
    control,
  );
}

/** The only element of `tensor`. */
export function readItem<D extends DType>(tensor: Tensor<D>): ItemOf<D> {
  const { shape } = tensor;
  if (shape.some((size) => size !== 1)) {
    throw new TorchsightError("SHAPE", `expected one element but the shape is [${shape}]`);
  }
  return toItem(elementReader(tensor.dtype, readBytesNow(tensor))(0));
}

/** The elements of `tensor` as a typed array. */
export async function readTyped<D extends DType>(
  tensor: Tensor<D>,
  control?: JobControl,
): Promise<TypedArrayOf<D>> {
  const { dtype } = tensor;
  return typedArray(dtype, await readBytes(tensor, control));
}

/** The elements of `tensor` as nested arrays. */
export async function readArray<D extends DType>(
  tensor: Tensor<D>,
  control?: JobControl,
): Promise<Nested<ItemOf<D>>> {
  const { dtype, shape } = tensor;
  const read = elementReader(dtype, await readBytes(tensor, control));
  return nest(shape, (index) => toItem<D>(read(index)));
}

/** Arranges row-major elements in nested arrays of `shape`. */
export function nest<T>(shape: readonly number[], read: (index: number) => T): Nested<T> {
  let next = 0;
  const level = (dim: number): Nested<T> => {
    const size = shape[dim];
    if (size === undefined) return read(next++);
    return Array.from({ length: size }, () => level(dim + 1));
  };
  return level(0);
}
