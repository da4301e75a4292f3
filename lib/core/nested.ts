import type { Complex } from "./dtype.js";
import type { Element } from "./elements.js";
import { invalidArgument, TorchsightError } from "./errors.js";

/** Whether `value` is a complex number. */
export function isComplex(value: unknown): value is Complex {
  if (typeof value !== "object" || value === null) return false;
  const { re, im } = value as Partial<Complex>;
  return typeof re === "number" && typeof im === "number";
}

/** The elements of nested arrays in row-major order, and their shape. Ragged arrays are refused. */
export function flattenNested(data: unknown): { values: Element[]; shape: number[] } {
  const shape: number[] = [];
  for (let level = data; Array.isArray(level); level = level[0]) shape.push(level.length);
  const values: Element[] = [];
  const visit = (part: unknown, dim: number): void => {
    if (dim === shape.length) {
      values.push(checkElement(part));
      return;
    }
    if (!Array.isArray(part) || part.length !== shape[dim]) {
      const found = Array.isArray(part) ? `${part.length} entries` : "an element";
      throw new TorchsightError(
        "SHAPE",
        `expected ${shape[dim]} entries in dimension ${dim} of data but received ${found}`,
      );
    }
    for (const entry of part) visit(entry, dim + 1);
  };
  visit(data, 0);
  return { values, shape };
}

function checkElement(value: unknown): Element {
  switch (typeof value) {
    case "number":
    case "bigint":
    case "boolean":
      return value;
    case "object":
      if (isComplex(value)) return value;
      if (Array.isArray(value)) {
        throw new TorchsightError("SHAPE", "expected arrays of equal depth for data");
      }
  }
  throw invalidArgument("data", "numbers, bigints, booleans or complex numbers", value);
}
