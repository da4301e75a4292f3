export { type Estimate, type EstimatedGroup, estimate } from "./estimate.js";
export type { Finished } from "./loop.js";
export type { Evaluation, Metrics } from "./metrics.js";
export {
  parseRecipe,
  type Recipe,
  type RecipeData,
  type RecipeInput,
  readRecipe,
  shippedRecipes,
} from "./recipe.js";
export { type RunOptions, runRecipe } from "./run.js";
export type { TrainableSystem } from "./trainable.js";
