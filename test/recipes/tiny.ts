/** A recipe whose steps take no time. */
import { parseRecipe, type RecipeInput } from "../../lib/recipes/index.js";

export const TINY: RecipeInput = {
  description: "A model too small to learn much",
  license: "apache-2.0",
  system: "vit22b",
  model: {
    hidden_size: 16,
    num_hidden_layers: 1,
    num_attention_heads: 2,
    intermediate_size: 32,
    image_size: 16,
    patch_size: 8,
  },
  trainer: { schedule: { kind: "cosine", peak: 1e-2, warmup: 2 }, ema: 0.9, clip: 1 },
  data: { source: "shapesworld" },
  batch: 4,
  steps: 8,
  seed: 5,
  saveEvery: 3,
  evaluateEvery: 4,
  evaluationSamples: 10,
};

export const tiny = (change: Partial<RecipeInput> = {}) => parseRecipe({ ...TINY, ...change });
