import { type Complex, checkDType, DTYPES, type DType, dtypeOfArray } from "./dtype.js";
import { type Element, elementBuffer } from "./elements.js";
import { invalidArgument, TorchsightError } from "./errors.js";
import { flattenNested, isComplex } from "./nested.js";
import { ops } from "./ops.js";
import type { Device } from "./ops-types.js";
import { fromNative, native } from "./runtime.js";
import type { Scalar } from "./scalar.js";
import { tidy } from "./scope.js";
import { type Tensor, wrapTensor } from "./tensor.js";

/** What every function that makes a tensor takes. */
export interface TensorOptions<D extends DType = DType> {
  /** The element type. */
  dtype?: D;
  /** Where the elements are. Default `cpu`. */
  device?: Device;
  /** Whether operators on the tensor record gradients. Default false. */
  requiresGrad?: boolean;
}

/** What {@link tensor} takes besides the data. */
export interface DataOptions<D extends DType = DType> extends TensorOptions<D> {
  /** The shape of a typed array's elements. Default: one dimension. */
  shape?: readonly number[];
}

type Untyped = DataOptions & { dtype?: undefined };

/** Typed arrays that tensors can be made of. */
export type TensorArray =
  | Float32Array
  | Float64Array
  | Float16Array
  | Int8Array
  | Uint8Array
  | Uint8ClampedArray
  | Int16Array
  | Uint16Array
  | Int32Array
  | BigInt64Array;

/** Nested arrays of one kind of element. */
export type NestedData<T> = T | readonly NestedData<T>[];

/** The dtype of the tensor that a typed array becomes. */
export type DTypeOfArray<A> = A extends Float32Array
  ? "float32"
  : A extends Float64Array
    ? "float64"
    : A extends BigInt64Array
      ? "int64"
      : A extends Int8Array
        ? "int8"
        : A extends Uint8Array | Uint8ClampedArray
          ? "uint8"
          : A extends Int16Array
            ? "int16"
            : A extends Int32Array
              ? "int32"
              : DType;

/**
 * A tensor of scalars, nested arrays or a typed array, whose elements are copied. Without a dtype,
 * numbers become float32, bigints int64, booleans bool, `{re, im}` complex64, and typed arrays keep
 * theirs. A `Uint16Array` holds the bits of float16 or bfloat16 elements and needs that dtype.
 *
 * @throws TorchsightError `SHAPE` for ragged arrays and shapes that do not fit, `BAD_INPUT` for
 * elements that the dtype cannot hold.
 *
 * @example
 * ```ts
 * tensor([[1, 2], [3, 4]]);
 * tensor(new Uint8Array(12), { shape: [2, 2, 3] });
 * tensor([1, 2], { dtype: "int64", requiresGrad: false });
 * ```
 */
export function tensor<D extends DType>(
  data: TensorArray | NestedData<Element>,
  options: DataOptions<D> & { dtype: D },
): Tensor<D>;
export function tensor(data: NestedData<number>, options?: Untyped): Tensor<"float32">;
export function tensor(data: NestedData<bigint>, options?: Untyped): Tensor<"int64">;
export function tensor(data: NestedData<boolean>, options?: Untyped): Tensor<"bool">;
export function tensor(data: NestedData<Complex>, options?: Untyped): Tensor<"complex64">;
export function tensor<A extends TensorArray>(data: A, options?: Untyped): Tensor<DTypeOfArray<A>>;
export function tensor(data: TensorArray | NestedData<Element>, options: DataOptions = {}): Tensor {
  if (options.dtype !== undefined) checkDType(options.dtype);
  return finish(
    () => (ArrayBuffer.isView(data) ? fromTyped(data, options) : fromNested(data, options)),
    options,
  );
}

/** Moves what `make` gives to its device, of its dtype, and sets whether it records gradients. */
function finish(make: () => Tensor, { dtype, device, requiresGrad }: TensorOptions): Tensor {
  const made = tidy(() => {
    const first = make();
    const typed = dtype === undefined || first.dtype === dtype ? first : first.to(dtype);
    return device === undefined || device === "cpu" ? typed : typed.to(device);
  });
  if (requiresGrad) made.requiresGrad = true;
  return made;
}

function fromTyped(array: ArrayBufferView, { dtype, shape }: DataOptions): Tensor {
  const halves = array instanceof Uint16Array && (dtype === "float16" || dtype === "bfloat16");
  const own = halves ? dtype : dtypeOfArray(array);
  if (own === undefined) {
    const expected = "a typed array of a known dtype (Uint16Array needs dtype float16 or bfloat16)";
    throw invalidArgument("data", expected, array);
  }
  const pairs = own === "float32" && dtype === "complex64";
  const stored = pairs ? dtype : own;
  const length = array.byteLength / DTYPES[stored].bytes;
  return fromBuffer(array, stored, shape ?? [length]);
}

function fromNested(data: NestedData<Element>, { dtype, shape: asked }: DataOptions): Tensor {
  const { values, shape } = flattenNested(data);
  const target = dtype ?? inferDType(values);
  const half = target === "float16" || target === "bfloat16";
  return fromBuffer(elementBuffer(target, values), half ? "float32" : target, asked ?? shape);
}

function fromBuffer(array: ArrayBufferView, dtype: DType, shape: readonly number[]): Tensor {
  const numel = shape.reduce((product, size) => product * size, 1);
  if (!shape.every((size) => Number.isSafeInteger(size) && size >= 0)) {
    throw invalidArgument("shape", "whole numbers", shape);
  }
  const length = array.byteLength / DTYPES[dtype].bytes;
  if (length !== numel) {
    const message = `expected ${numel} elements for shape [${shape}] but received ${length}`;
    throw new TorchsightError("SHAPE", message);
  }
  try {
    return wrapTensor(native().tensorFrom(array, DTYPES[dtype].code, [...shape]));
  } catch (error) {
    throw fromNative(error);
  }
}

function inferDType(values: readonly Element[]): DType {
  const kinds = new Set(values.map((value) => typeof value));
  if (kinds.size > 1) {
    throw invalidArgument("data", "elements of one kind, or a dtype", [...kinds]);
  }
  const [first] = values;
  if (typeof first === "bigint") return "int64";
  if (typeof first === "boolean") return "bool";
  return isComplex(first) ? "complex64" : "float32";
}

/** Names of the options as operators take them. */
function factory({ dtype = "float32", device = "cpu" }: TensorOptions) {
  return { dtype: checkDType(dtype), device };
}

function grads<D extends DType>(made: Tensor, { requiresGrad }: TensorOptions): Tensor<D> {
  if (requiresGrad) made.requiresGrad = true;
  return made as Tensor<D>;
}

/** A tensor of zeros, float32 unless `options.dtype` says otherwise. */
export function zeros<D extends DType = "float32">(
  shape: readonly number[],
  options: TensorOptions<D> = {},
): Tensor<D> {
  return grads(ops.zeros(shape, factory(options)), options);
}

/** A tensor of ones. */
export function ones<D extends DType = "float32">(
  shape: readonly number[],
  options: TensorOptions<D> = {},
): Tensor<D> {
  return grads(ops.ones(shape, factory(options)), options);
}

/** A tensor whose elements are whatever the memory held. */
export function empty<D extends DType = "float32">(
  shape: readonly number[],
  options: TensorOptions<D> = {},
): Tensor<D> {
  return grads(ops.empty(shape, factory(options)), options);
}

/** A tensor filled with `value`. */
export function full<D extends DType = "float32">(
  shape: readonly number[],
  value: Scalar,
  options: TensorOptions<D> = {},
): Tensor<D> {
  return grads(ops.full(shape, value, factory(options)), options);
}

/**
 * Numbers from `start` up to, not with, `end`. As everywhere numbers are float32 by default; give
 * `dtype: "int64"` for indices.
 */
export function arange<D extends DType = "float32">(
  start: number,
  end: number,
  step = 1,
  options: TensorOptions<D> = {},
): Tensor<D> {
  return grads(ops.arange(start, end, step, factory(options)), options);
}

/** `steps` numbers from `start` to `end`, both included. */
export function linspace<D extends DType = "float32">(
  start: number,
  end: number,
  steps: number,
  options: TensorOptions<D> = {},
): Tensor<D> {
  return grads(ops.linspace(start, end, steps, factory(options)), options);
}

/** The identity matrix of `n` rows. */
export function eye<D extends DType = "float32">(
  n: number,
  options: TensorOptions<D> = {},
): Tensor<D> {
  return grads(ops.eye(n, factory(options)), options);
}

/** Random numbers, uniform in [0, 1). */
export function rand<D extends DType = "float32">(
  shape: readonly number[],
  options: TensorOptions<D> = {},
): Tensor<D> {
  return grads(ops.rand(shape, factory(options)), options);
}

/** Random numbers of the standard normal distribution. */
export function randn<D extends DType = "float32">(
  shape: readonly number[],
  options: TensorOptions<D> = {},
): Tensor<D> {
  return grads(ops.randn(shape, factory(options)), options);
}

/** Random integers from `low` up to, not with, `high`. */
export function randint<D extends DType = "int64">(
  low: number,
  high: number,
  shape: readonly number[],
  options: TensorOptions<D> = {},
): Tensor<D> {
  const { dtype = "int64" } = options;
  return grads(ops.randint(low, high, shape, factory({ ...options, dtype })), options);
}

/** Seeds the random numbers of this process. */
export function manualSeed(seed: number): void {
  if (!Number.isSafeInteger(seed)) throw invalidArgument("seed", "an integer", seed);
  native().manualSeed(seed);
}
