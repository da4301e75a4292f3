/** Checks of options. */
import { invalidArgument } from "../../core/errors.js";
import type { Span } from "./options.js";

export type Bounds = readonly [least: number, most: number];

/** A whole number within bounds; else `BAD_INPUT`. */
export function wholeNumber(name: string, value: unknown, [least, most]: Bounds): number {
  if (Number.isSafeInteger(value) && isWithin(value as number, least, most)) return value as number;
  throw invalidArgument(name, `a whole number from ${least} to ${most}`, value);
}

/** A number within bounds; else `BAD_INPUT`. */
export function realNumber(name: string, value: unknown, [least, most]: Bounds): number {
  if (typeof value === "number" && isWithin(value, least, most)) return value;
  throw invalidArgument(name, `a number from ${least} to ${most}`, value);
}

/** One whole number or two in order, as two; else `BAD_INPUT`. */
export function span(name: string, value: Span, bounds: Bounds): Bounds {
  if (!Array.isArray(value)) {
    const only = wholeNumber(name, value, bounds);
    return [only, only];
  }
  const [least, most] = pair(name, value, "whole numbers", bounds);
  return [wholeNumber(name, least, bounds), wholeNumber(name, most, bounds)];
}

/** Two numbers in order; else `BAD_INPUT`. */
export function range(name: string, value: unknown, bounds: Bounds): Bounds {
  const [least, most] = pair(name, value, "numbers", bounds);
  return [realNumber(name, least, bounds), realNumber(name, most, bounds)];
}

function pair(name: string, value: unknown, what: string, [least, most]: Bounds): Bounds {
  if (Array.isArray(value) && value.length === 2 && value[0] <= value[1]) return value as never;
  throw invalidArgument(name, `two ${what} in order, from ${least} to ${most}`, value);
}

/** One of some names; else `BAD_INPUT`. */
export function oneOf<Name extends string>(
  name: string,
  value: unknown,
  names: readonly Name[],
): Name {
  if (names.includes(value as Name)) return value as Name;
  throw invalidArgument(name, `one of ${names.join(", ")}`, value);
}

/** At least one of some names, none of them twice; else `BAD_INPUT`. */
export function someOf<Name extends string>(
  name: string,
  value: unknown,
  names: readonly Name[],
): readonly Name[] {
  if (!Array.isArray(value) || value.length === 0 || new Set(value).size !== value.length) {
    throw invalidArgument(name, `a list without repeats of ${names.join(", ")}`, value);
  }
  return value.map((one) => oneOf(name, one, names));
}

/** The entries of an object all of whose keys are known; else `BAD_INPUT`. */
export function entriesOf<Key extends string>(
  name: string,
  value: unknown,
  keys: readonly Key[],
): [key: Key, value: unknown][] {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw invalidArgument(name, `an object with keys of ${keys.join(", ")}`, value);
  }
  const entries = Object.entries(value).filter(([, one]) => one !== undefined);
  for (const [key] of entries) oneOf(`a key of ${name}`, key, keys);
  return entries as [Key, unknown][];
}

function isWithin(value: number, least: number, most: number): boolean {
  return value >= least && value <= most;
}
