import type { Complex } from "./dtype.js";
import { invalidArgument } from "./errors.js";

/** A number that operators take as floating point even where it is whole. */
export interface FloatScalar {
  readonly float: number;
}

/**
 * A scalar argument of an operator. Whole numbers count as integers, as `2` does in Python;
 * `float(2)` stands for Python's `2.0`.
 */
export type Scalar = number | bigint | boolean | FloatScalar | Complex;

/**
 * Marks `value` as floating point, so that an operator promotes integer tensors as it would for
 * `2.0` in Python.
 *
 * @example
 * ```ts
 * tensor([1, 2], { dtype: "int32" }).mul(float(2)).dtype; // "float32"
 * ```
 */
export function float(value: number): FloatScalar {
  if (typeof value !== "number") throw invalidArgument("value", "a number", value);
  return { float: value };
}

/** The complex number `re + i im`. */
export function complex(re: number, im = 0): Complex {
  return { re, im };
}

/** Whether `value` is a {@link Scalar}. */
export function isScalar(value: unknown): value is Scalar {
  switch (typeof value) {
    case "number":
    case "bigint":
    case "boolean":
      return true;
    case "object":
      return value !== null && (isFloat(value) || isComplex(value));
    default:
      return false;
  }
}

/** Whether `value` is a {@link FloatScalar}. */
export function isFloat(value: object): value is FloatScalar {
  return typeof (value as { float?: unknown }).float === "number" && !hasOtherThan(value, 1);
}

function isComplex(value: object): boolean {
  const { re, im } = value as { re?: unknown; im?: unknown };
  return typeof re === "number" && typeof im === "number" && !hasOtherThan(value, 2);
}

function hasOtherThan(value: object, count: number): boolean {
  return Object.keys(value).length !== count;
}
