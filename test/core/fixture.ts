/** Reads what `scripts/oracles/ops.py` wrote. */
import { readFileSync } from "node:fs";
import { type DType, type Scalar, Tensor, tensor } from "torchsight";

/** A value as the oracle encodes it. */
export type Encoded =
  | null
  | number
  | boolean
  | string
  | { float: number }
  | { t: [dtype: DType, shape: number[], base64: string] }
  | Encoded[];

const BITS = new Set<DType>(["float16", "bfloat16"]);

const ARRAYS = {
  float32: Float32Array,
  float64: Float64Array,
  float16: Uint16Array,
  bfloat16: Uint16Array,
  int8: Int8Array,
  uint8: Uint8Array,
  int16: Int16Array,
  int32: Int32Array,
  int64: BigInt64Array,
  bool: Uint8Array,
  complex64: Float32Array,
};

/** The parsed fixture of that name. */
export function fixture<T>(name: string): T {
  return JSON.parse(readFileSync(new URL(`../fixtures/ops/${name}.json`, import.meta.url), "utf8"));
}

/** The value as operators take it. */
export function decode(value: Encoded): unknown {
  if (Array.isArray(value)) return value.map(decode);
  if (typeof value !== "object" || value === null) return value;
  return "t" in value ? decodeTensor(value.t) : (value satisfies Scalar);
}

/** The tensor of an encoded one. */
export function decodeTensor([dtype, shape, base64]: [DType, number[], string]): Tensor {
  const bytes = Buffer.from(base64, "base64");
  const copy = new Uint8Array(bytes).buffer;
  const array = new ARRAYS[dtype](copy);
  return dtype === "bool"
    ? tensor(array as Uint8Array, { dtype: "uint8", shape }).to("bool")
    : tensor(array, { dtype, shape });
}

/** How far results may be apart, relative to their size: another processor rounds otherwise. */
const TOLERANCE: Partial<Record<DType, number>> = {
  float32: 2e-5,
  float64: 1e-10,
  complex64: 2e-5,
  float16: 4e-3,
  bfloat16: 3e-2,
};

/** What differs between a result and what the oracle encoded, or undefined. */
export async function difference(actual: unknown, expected: Encoded): Promise<string | undefined> {
  if (Array.isArray(expected)) {
    if (!Array.isArray(actual) || actual.length !== expected.length) return `got ${actual}`;
    for (const [index, entry] of expected.entries()) {
      const found = await difference(actual[index], entry);
      if (found !== undefined) return `[${index}] ${found}`;
    }
    return undefined;
  }
  if (typeof expected !== "object" || expected === null || !("t" in expected)) {
    const value = typeof expected === "object" && expected !== null ? expected.float : expected;
    return actual === value ? undefined : `expected ${value}, got ${actual}`;
  }
  if (!(actual instanceof Tensor)) return `expected a tensor, got ${actual}`;
  return tensorDifference(actual, decodeTensor(expected.t));
}

async function tensorDifference(actual: Tensor, expected: Tensor): Promise<string | undefined> {
  if (actual.dtype !== expected.dtype) return `dtype ${actual.dtype}, not ${expected.dtype}`;
  if (`${actual.shape}` !== `${expected.shape}`)
    return `shape ${actual.shape}, not ${expected.shape}`;
  const wide = BITS.has(actual.dtype);
  const [found, wanted] = await Promise.all(
    [actual, expected].map((side) => (wide ? side.to("float64") : side).data()),
  );
  const tolerance = TOLERANCE[actual.dtype] ?? 0;
  for (let index = 0; index < wanted!.length; index += 1) {
    const [a, b] = [Number(found![index]), Number(wanted![index])];
    const near = Object.is(a, b) || Math.abs(a - b) <= tolerance * (1 + Math.abs(b));
    if (!near && !(Number.isNaN(a) && Number.isNaN(b))) return `element ${index} is ${a}, not ${b}`;
  }
  return undefined;
}
