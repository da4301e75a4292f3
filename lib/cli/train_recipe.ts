/** The recipe that a command line of `train` means. */
import { objectOf } from "../core/config.js";
import { parseRecipe, type Recipe } from "../recipes/index.js";
import { parseSettings, wholeNumber } from "./arguments.js";

/** Options that stand for fields of the recipe. */
export interface RecipeValues {
  readonly data?: string | undefined;
  readonly model?: string | undefined;
  readonly seed?: string | undefined;
  readonly workers?: string | undefined;
}

/** A recipe with the fields of `--set`, and those that other options name, in place of its own. */
export function recipeOf(
  written: object,
  { data, model, seed, workers }: RecipeValues,
  settings: readonly string[],
): Recipe {
  let recipe = { ...written } as Record<string, unknown>;
  const replaced: Record<string, unknown> = {
    ...parseSettings(settings),
    "data.source": data,
    "data.workers": wholeNumber("workers", workers),
    seed: wholeNumber("seed", seed),
    init: model,
    // A model to go on from takes the place of a new one.
    ...(model !== undefined && { model: null }),
  };
  for (const [name, value] of Object.entries(replaced)) {
    if (value !== undefined) recipe = withField(recipe, name.split("."), value);
  }
  return parseRecipe(recipe);
}

/** A copy with one field replaced, at the end of a path of names. */
function withField(
  fields: Record<string, unknown>,
  [name = "", ...deeper]: readonly string[],
  value: unknown,
): Record<string, unknown> {
  if (deeper.length === 0) return { ...fields, [name]: value };
  const inner = objectOf(fields[name] ?? {}, name);
  return { ...fields, [name]: withField(inner, deeper, value) };
}
