import type { NativeValue } from "../native/addon.js";
import { DTYPES, type DType, dtypeOfCode, isDType } from "./dtype.js";
import { isFloat, isScalar } from "./scalar.js";
import { Tensor, tensorId, wrapTensor } from "./tensor.js";

/** How values of one schema type cross the boundary. */
export interface ArgumentType {
  /** Whether every tensor is accepted. */
  readonly tensor: boolean;
  accepts(value: unknown): boolean;
  toNative(value: unknown): NativeValue;
  fromNative(value: NativeValue): unknown;
}

/** Names of libtorch's layouts, by code. */
export const LAYOUTS = [
  "strided",
  "sparse_coo",
  "sparse_csr",
  "mkldnn",
  "sparse_csc",
  "sparse_bsr",
  "sparse_bsc",
  "jagged",
] as const;

/** Names of libtorch's memory formats, by code. */
export const MEMORY_FORMATS = [
  "contiguous",
  "preserve",
  "channels_last",
  "channels_last_3d",
] as const;

const same = (value: unknown): unknown => value;

function plain(accepts: (value: unknown) => boolean): ArgumentType {
  return { tensor: false, accepts, toNative: same, fromNative: same };
}

function named(names: readonly string[]): ArgumentType {
  return {
    tensor: false,
    accepts: (value) => typeof value === "string" && names.includes(value),
    toNative: (value) => names.indexOf(value as string),
    fromNative: (code) => names[code as number],
  };
}

const integer = plain((value) => Number.isInteger(value) || typeof value === "bigint");

const TENSOR: ArgumentType = {
  tensor: true,
  accepts: (value) => value instanceof Tensor,
  toNative: (value) => tensorId(value as Tensor),
  fromNative: (id) => (id === null ? null : wrapTensor(id as number)),
};

const BASIC: Readonly<Record<string, ArgumentType>> = {
  Tensor: TENSOR,
  int: integer,
  SymInt: integer,
  float: plain((value) => typeof value === "number" || isFloat(Object(value))),
  bool: plain((value) => typeof value === "boolean"),
  str: plain((value) => typeof value === "string"),
  Dimname: plain((value) => typeof value === "string"),
  Scalar: plain(isScalar),
  Device: plain((value) => typeof value === "string"),
  Layout: named(LAYOUTS),
  MemoryFormat: named(MEMORY_FORMATS),
  ScalarType: {
    tensor: false,
    accepts: isDType,
    toNative: (value) => DTYPES[value as DType].code,
    fromNative: (code) => dtypeOfCode(code as number),
  },
};

/** Objects of libtorch that have no counterpart in JavaScript can only be left out. */
const UNSUPPORTED: ArgumentType = plain(() => false);

function optional(inner: ArgumentType): ArgumentType {
  return {
    tensor: inner.tensor,
    accepts: (value) => value === null || inner.accepts(value),
    toNative: (value) => (value === null ? null : inner.toNative(value)),
    fromNative: (value) => (value === null ? null : inner.fromNative(value)),
  };
}

/** A list. One of known length takes a single value for all its places, as `int[2]` takes `3`. */
function list(inner: ArgumentType, length: number | undefined): ArgumentType {
  const single = (value: unknown): boolean => length !== undefined && inner.accepts(value);
  return {
    tensor: length !== undefined && inner.tensor,
    accepts: (value) => (Array.isArray(value) ? value.every(inner.accepts) : single(value)),
    toNative: (value) =>
      Array.isArray(value)
        ? value.map(inner.toNative)
        : new Array<NativeValue>(length as number).fill(inner.toNative(value)),
    fromNative: (value) => (value as NativeValue[]).map(inner.fromNative),
  };
}

const parsed = new Map<string, ArgumentType>();

/** The type that a schema writes as `text`, e.g. `Tensor?[]`, `int[2]?` or `ScalarType`. */
export function argumentType(text: string): ArgumentType {
  let type = parsed.get(text);
  if (type === undefined) {
    type = parse(text);
    parsed.set(text, type);
  }
  return type;
}

function parse(text: string): ArgumentType {
  if (text.endsWith("?")) return optional(argumentType(text.slice(0, -1)));
  const brackets = /^(.*)\[(\d*)\]$/.exec(text);
  if (brackets !== null) {
    const [, inner = "", length] = brackets;
    return list(argumentType(inner), length ? Number(length) : undefined);
  }
  return Object.hasOwn(BASIC, text) ? (BASIC[text] as ArgumentType) : UNSUPPORTED;
}
