import { isDeepStrictEqual } from "node:util";
import { TorchsightError } from "../core/errors.js";
import type { Recipe } from "./recipe.js";

/** What may change while a run is interrupted, since its steps do not depend on it. */
const FREE = [
  "description",
  "sources",
  "license",
  "steps",
  "saveEvery",
  "keep",
  "evaluateEvery",
  "evaluationSamples",
  "data.workers",
  "data.maxBad",
];

/** Throws `BAD_CONFIG` where a recipe would not go on with the run that another one began. */
export function checkSameRun(begun: Recipe, recipe: Recipe, out: string): void {
  const [before, now] = [fieldsOf(begun), fieldsOf(recipe)];
  for (const name of new Set([...Object.keys(before), ...Object.keys(now)])) {
    if (FREE.includes(name) || isDeepStrictEqual(before[name], now[name])) continue;
    throw new TorchsightError(
      "BAD_CONFIG",
      `expected ${JSON.stringify(before[name])}, as the run in ${out} was begun, for ${name} but ` +
        `received ${JSON.stringify(now[name])}`,
    );
  }
}

/** Fields by name, those of `trainer` and `data` one by one. */
function fieldsOf({ trainer, data, ...rest }: Recipe): Record<string, unknown> {
  const under = (where: string, fields: object) =>
    Object.entries(fields).map(([name, value]) => [`${where}.${name}`, value]);
  return Object.fromEntries([
    ...Object.entries(rest),
    ...under("trainer", trainer),
    ...under("data", data),
  ]);
}
