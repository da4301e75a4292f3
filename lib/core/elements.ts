import { type Complex, DTYPES, type DType, type ItemOf } from "./dtype.js";
import { invalidArgument, TorchsightError } from "./errors.js";

const FLOAT_BITS = new DataView(new ArrayBuffer(4));

/** The number whose upper sixteen float32 bits are `bits`. */
function fromBfloat16(bits: number): number {
  FLOAT_BITS.setUint32(0, bits << 16);
  return FLOAT_BITS.getFloat32(0);
}

/** The number that the IEEE half-precision `bits` stand for. */
function fromFloat16(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** Reads element `index` of row-major bytes. Integers beyond 2^53 come as a bigint. */
export type ElementReader = (index: number) => number | bigint | boolean | Complex;

/** A reader over the bytes of a tensor of `dtype`. */
export function elementReader(dtype: DType, bytes: ArrayBuffer): ElementReader {
  switch (dtype) {
    case "float16": {
      const bits = new Uint16Array(bytes);
      return (index) => fromFloat16(bits[index] as number);
    }
    case "bfloat16": {
      const bits = new Uint16Array(bytes);
      return (index) => fromBfloat16(bits[index] as number);
    }
    case "bool": {
      const bits = new Uint8Array(bytes);
      return (index) => bits[index] !== 0;
    }
    case "complex64": {
      const parts = new Float32Array(bytes);
      return (index) => ({ re: parts[2 * index] as number, im: parts[2 * index + 1] as number });
    }
    case "int64": {
      const wide = new BigInt64Array(bytes);
      return (index) => {
        const value = wide[index] as bigint;
        const narrow = Number(value);
        return Number.isSafeInteger(narrow) ? narrow : value;
      };
    }
    default: {
      const numbers = new NUMBERS[dtype](bytes);
      return (index) => numbers[index] as number;
    }
  }
}

const NUMBERS = {
  float32: Float32Array,
  float64: Float64Array,
  int8: Int8Array,
  uint8: Uint8Array,
  int16: Int16Array,
  int32: Int32Array,
};

/** An element as users see it. Throws `BAD_INPUT` for an int64 that a number cannot hold. */
export function toItem<D extends DType>(value: ReturnType<ElementReader>): ItemOf<D> {
  if (typeof value === "bigint") {
    throw new TorchsightError(
      "BAD_INPUT",
      `the element ${value} is beyond Number.MAX_SAFE_INTEGER; data() gives it exactly`,
    );
  }
  return value as ItemOf<D>;
}

/** What one element can be given as. */
export type Element = number | bigint | boolean | Complex;

/** A typed array to build tensors of `dtype` from, one entry an element (two for complex64). */
export function elementBuffer(dtype: DType, values: readonly Element[]): ArrayBufferView {
  switch (dtype) {
    case "int64":
      return BigInt64Array.from(values, toInt64);
    case "bool":
      return Uint8Array.from(values, (value) => (toNumber(value, dtype) === 0 ? 0 : 1));
    case "complex64":
      return Float32Array.from(values.flatMap(toParts));
    case "float16":
    case "bfloat16":
      return Float32Array.from(values, (value) => toNumber(value, dtype));
    default:
      return new NUMBERS[dtype](values.map((value) => toNumber(value, dtype)));
  }
}

function toNumber(value: Element, dtype: DType): number {
  if (typeof value === "object") throw invalidArgument("data", `elements of ${dtype}`, value);
  const number = Number(value);
  const { range } = DTYPES[dtype];
  if (range !== undefined) {
    if (!Number.isInteger(number) || number < range[0] || number > range[1]) {
      throw invalidArgument("data", `integers from ${range[0]} to ${range[1]}`, value);
    }
  }
  return number;
}

function toInt64(value: Element): bigint {
  if (typeof value === "bigint") {
    if (BigInt.asIntN(64, value) === value) return value;
  } else if (typeof value === "boolean" || Number.isSafeInteger(value)) {
    return BigInt(value as number | boolean);
  }
  throw invalidArgument("data", "integers of at most 64 bits", value);
}

function toParts(value: Element): [number, number] {
  return typeof value === "object" ? [value.re, value.im] : [Number(value), 0];
}
