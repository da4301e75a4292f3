export {
  type ClassifierEstimate,
  type Estimate,
  type EstimatedGroup,
  estimate,
} from "./estimate.js";
export type { Finished } from "./loop.js";
export type { Evaluation, Metrics } from "./metrics.js";
export {
  parseRecipe,
  type Recipe,
  type RecipeClips,
  type RecipeData,
  type RecipeInput,
  type RecipeText,
  readRecipe,
  shippedRecipes,
} from "./recipe.js";
export { type RunOptions, runRecipe } from "./run.js";
export type { TrainableStages, TrainableSystem } from "./trainable.js";
export {
  type CascadeRecipe,
  type CascadeStage,
  isCascadeRecipe,
  parseCascadeRecipe,
  runCascadeRecipe,
  type TrainedCascade,
} from "./video/cascade.js";
export {
  type Distilled,
  type DistillOptions,
  distill,
  type Phase,
  recipeOfStage,
  type Student,
} from "./video/distill.js";
export { runStageRecipe } from "./video/run.js";
