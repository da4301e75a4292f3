/** Checks the fields of a `config.json`: each is what it must be, or `BAD_CONFIG` names it. */
import { describeValue, TorchsightError } from "./errors.js";
import { nearest } from "./near.js";

/** Checks one field; gives back the value or throws. */
export type Field = (name: string, value: unknown) => unknown;

/** One field of a config. Without a fallback it must be given. */
export interface FieldSpec {
  check: Field;
  fallback?: unknown;
}

/** A whole number of at least `least`. */
export const integer =
  (least: number): Field =>
  (name, value) => {
    if (Number.isSafeInteger(value) && (value as number) >= least) return value;
    throw badField(name, `an integer of at least ${least}`, value);
  };

/** A number above 0 and at most `most`. */
export const positive =
  (most: number): Field =>
  (name, value) => {
    if (typeof value === "number" && value > 0 && value <= most) return value;
    throw badField(name, `a number above 0 and at most ${most}`, value);
  };

export const flag: Field = (name, value) => {
  if (typeof value === "boolean") return value;
  throw badField(name, "true or false", value);
};

export const oneOf =
  (...choices: string[]): Field =>
  (name, value) => {
    if (typeof value === "string" && choices.includes(value)) return value;
    throw badField(name, `one of ${choices.join(", ")}`, value);
  };

/**
 * Every field of `fields`, checked, with defaults filled in and all others left out. `where` stands
 * before the names in messages. A JSON null counts as absent.
 *
 * @throws `BAD_CONFIG`
 */
export function parseFields<T>(
  input: unknown,
  fields: Readonly<Record<keyof T & string, FieldSpec>>,
  where = "",
): T {
  const given = objectOf(input, where === "" ? "the config" : where.replace(/\.$/, ""));
  const entries = Object.entries<FieldSpec>(fields).map(([name, { check, fallback }]) => [
    name,
    check(where + name, given[name] ?? fallback),
  ]);
  return Object.fromEntries(entries) as T;
}

/** `input` as an object; throws `BAD_CONFIG` where it is none. */
export function objectOf(input: unknown, name: string): Record<string, unknown> {
  if (typeof input === "object" && input !== null && !Array.isArray(input)) {
    return input as Record<string, unknown>;
  }
  throw badField(name, "an object", input);
}

/** Throws `BAD_CONFIG` where a name that is given looks like a slip of one that is not. */
export function refuseMisspelt(given: readonly string[], names: readonly string[]): void {
  for (const name of given) {
    if (names.includes(name)) continue;
    const meant = nearest(name, names);
    if (meant && !given.includes(meant)) {
      throw new TorchsightError("BAD_CONFIG", `unknown field ${name}; is ${meant} meant?`);
    }
  }
}

/** Fields that transformers takes for floats alone: `30` would be refused where `30.0` is not. */
const FLOATS = /("(?:\w*_softcapping|\w*norm_eps|rope_theta)": -?\d+)(?=,?$)/gm;

/** A config as the contents of a `config.json`. */
export function configText(config: object): string {
  return `${JSON.stringify(config, null, 2).replace(FLOATS, "$1.0")}\n`;
}

/** expected `expected` for `name` but received `value` */
export function badField(name: string, expected: string, value: unknown): TorchsightError {
  return new TorchsightError(
    "BAD_CONFIG",
    `expected ${expected} for ${name} but received ${describeValue(value)}`,
  );
}
