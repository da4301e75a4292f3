/** Checks of what a recipe says, field by field. Unlike a config's, unknown fields are refused. */
import { badField, type Field, objectOf } from "../core/config.js";
import { TorchsightError } from "../core/errors.js";
import { nearest } from "../core/near.js";

/** A check for each field of `T`, those that may be absent included. */
export type Checks<T> = Readonly<Record<keyof T & string, Field>>;

/**
 * The fields of `input` that are there, checked. A JSON null counts as absent. `where` stands
 * before the names in messages.
 *
 * @throws `BAD_CONFIG`
 */
export function checkedFields<T>(input: unknown, checks: Checks<T>, where = ""): T {
  const given = objectOf(input, where === "" ? "the recipe" : where.replace(/\.$/, ""));
  const names = Object.keys(checks);
  for (const name of Object.keys(given)) {
    if (names.includes(name)) continue;
    const meant = nearest(name, names);
    const hint = meant === undefined ? `; known are ${names.join(", ")}` : `; is ${meant} meant?`;
    throw new TorchsightError("BAD_CONFIG", `unknown field ${where}${name}${hint}`);
  }
  const entries = Object.entries<Field>(checks).map(([name, check]) => [
    name,
    check(where + name, given[name] ?? undefined),
  ]);
  return Object.fromEntries(entries.filter(([, value]) => value !== undefined)) as T;
}

/** A field that may be absent, or has a default. */
export const optional =
  (check: Field, fallback?: unknown): Field =>
  (name, value) =>
    value === undefined ? fallback : check(name, value);

/** A number from `least` to `most`. */
export const within =
  (least: number, most: number): Field =>
  (name, value) => {
    if (typeof value === "number" && value >= least && value <= most) return value;
    throw badField(name, `a number from ${least} to ${most}`, value);
  };

/** Text that is not empty. */
export const text: Field = (name, value) => {
  if (typeof value === "string" && value.trim() !== "") return value;
  throw badField(name, "text", value);
};

/** A list whose every entry is checked, with its place in the name. */
export const listOf =
  (check: Field): Field =>
  (name, value) => {
    if (!Array.isArray(value)) throw badField(name, "a list", value);
    return value.map((entry, place) => check(`${name}[${place}]`, entry));
  };

/** An object with fields of its own. */
export const objectWith =
  <T>(checks: Checks<T>): Field =>
  (name, value) =>
    checkedFields<T>(value, checks, `${name}.`);

/** Any object: who reads it checks it. */
export const anyObject: Field = (name, value) => objectOf(value, name);
