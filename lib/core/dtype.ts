/// <reference lib="esnext.float16" preserve="true" />
import { invalidArgument, TorchsightError } from "./errors.js";

/**
 * The typed array that holds the elements of each dtype. `float16` elements come as a
 * `Float16Array` where the runtime has one and as bits elsewhere; `bfloat16` elements are bits;
 * `complex64` elements are pairs of real and imaginary part.
 */
export interface DataTypeMap {
  float32: Float32Array;
  float64: Float64Array;
  float16: Float16Array | Uint16Array;
  bfloat16: Uint16Array;
  int8: Int8Array;
  uint8: Uint8Array;
  int16: Int16Array;
  int32: Int32Array;
  int64: BigInt64Array;
  bool: Uint8Array;
  complex64: Float32Array;
}

/** The name of an element type. */
export type DType = keyof DataTypeMap;

/** The typed array that `Tensor<D>.data()` gives. */
export type TypedArrayOf<D extends DType> = DataTypeMap[D];

/** A complex number. */
export interface Complex {
  readonly re: number;
  readonly im: number;
}

/** What one element of a tensor is in JavaScript. */
export type ItemOf<D extends DType> = D extends "bool"
  ? boolean
  : D extends "complex64"
    ? Complex
    : number;

interface DTypeInfo {
  /** libtorch's `ScalarType`. */
  readonly code: number;
  /** Bytes of one element. */
  readonly bytes: number;
  readonly kind: "float" | "int" | "bool" | "complex";
  /** Smallest and largest value of the integer types. */
  readonly range?: readonly [number, number];
}

/** What is known of each dtype. The codes are `c10::ScalarType`'s. */
export const DTYPES: Readonly<Record<DType, DTypeInfo>> = {
  uint8: { code: 0, bytes: 1, kind: "int", range: [0, 255] },
  int8: { code: 1, bytes: 1, kind: "int", range: [-128, 127] },
  int16: { code: 2, bytes: 2, kind: "int", range: [-32768, 32767] },
  int32: { code: 3, bytes: 4, kind: "int", range: [-2147483648, 2147483647] },
  int64: { code: 4, bytes: 8, kind: "int" },
  float16: { code: 5, bytes: 2, kind: "float" },
  float32: { code: 6, bytes: 4, kind: "float" },
  float64: { code: 7, bytes: 8, kind: "float" },
  complex64: { code: 9, bytes: 8, kind: "complex" },
  bool: { code: 11, bytes: 1, kind: "bool" },
  bfloat16: { code: 15, bytes: 2, kind: "float" },
};

const BY_CODE = new Map(
  (Object.keys(DTYPES) as DType[]).map((name) => [DTYPES[name].code, name] as const),
);

/** Whether `value` names a dtype. */
export function isDType(value: unknown): value is DType {
  return typeof value === "string" && Object.hasOwn(DTYPES, value);
}

/** `value` as a dtype; throws `BAD_INPUT` naming `name` otherwise. */
export function checkDType(value: unknown, name = "dtype"): DType {
  if (isDType(value)) return value;
  throw invalidArgument(name, `one of ${Object.keys(DTYPES).join(", ")}`, value);
}

/** The dtype of libtorch's code; throws `DTYPE` for those that JavaScript cannot hold. */
export function dtypeOfCode(code: number): DType {
  const name = BY_CODE.get(code);
  if (name !== undefined) return name;
  throw new TorchsightError("DTYPE", `tensors of ScalarType ${code} cannot be read in JavaScript`);
}

type Constructor = new (buffer: ArrayBuffer) => TypedArrayOf<DType>;

const Float16 = (globalThis as { Float16Array?: Constructor }).Float16Array;

const ARRAYS: Readonly<Record<DType, Constructor>> = {
  float32: Float32Array,
  float64: Float64Array,
  float16: Float16 ?? Uint16Array,
  bfloat16: Uint16Array,
  int8: Int8Array,
  uint8: Uint8Array,
  int16: Int16Array,
  int32: Int32Array,
  int64: BigInt64Array,
  bool: Uint8Array,
  complex64: Float32Array,
};

/** Views `bytes` as the typed array of `dtype`. */
export function typedArray<D extends DType>(dtype: D, bytes: ArrayBuffer): TypedArrayOf<D> {
  return new ARRAYS[dtype](bytes) as TypedArrayOf<D>;
}

/** The dtype whose elements `array` holds, or undefined where that takes an explicit dtype. */
export function dtypeOfArray(array: ArrayBufferView): DType | undefined {
  if (Float16 !== undefined && array instanceof Float16) return "float16";
  if (array instanceof Float32Array) return "float32";
  if (array instanceof Float64Array) return "float64";
  if (array instanceof Int8Array) return "int8";
  if (array instanceof Uint8Array || array instanceof Uint8ClampedArray) return "uint8";
  if (array instanceof Int16Array) return "int16";
  if (array instanceof Int32Array) return "int32";
  if (array instanceof BigInt64Array) return "int64";
  return undefined;
}
