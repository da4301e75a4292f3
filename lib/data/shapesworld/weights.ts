/** How often values of an attribute come. */
import { invalidArgument } from "../../core/errors.js";
import { entriesOf, realNumber } from "./checks.js";

/** Weights are rounded to this part of the largest, so that no platform's powers show. */
const STEPS = 2 ** 20;

/**
 * The weight of each value, 0 to 1.
 *
 * @throws `BAD_INPUT` where they are no weights, or all are 0
 */
export function weightsOf(
  name: string,
  weights: unknown,
  values: readonly string[],
): ReadonlyMap<string, number> {
  const raw = rawWeights(name, weights, values);
  const most = Math.max(...raw);
  if (most === 0) throw invalidArgument(name, "a weight above 0", weights);
  const rounded = raw.map((weight) => {
    return weight === 0 ? 0 : Math.max(1, Math.round((weight / most) * STEPS)) / STEPS;
  });
  return new Map(values.map((value, at) => [value, rounded[at]!]));
}

function rawWeights(name: string, weights: unknown, values: readonly string[]): number[] {
  if (weights === undefined) return values.map(() => 1);
  const entries = entriesOf<string>(name, weights, ["zipf", ...values]);
  const given = new Map(entries);
  if (!given.has("zipf")) {
    return values.map((value) => realNumber(`${name}.${value}`, given.get(value) ?? 0, [0, 1e9]));
  }
  if (given.size > 1) throw invalidArgument(name, "either zipf or weights by name", weights);
  const exponent = realNumber(`${name}.zipf`, given.get("zipf"), [0, 8]);
  return values.map((_, at) => (at + 1) ** -exponent);
}
