/** A recipe of a stage whose steps take no time. */
import { parseRecipe, type RecipeInput } from "../../lib/recipes/index.js";

export const TINY_STAGE: RecipeInput = {
  description: "A stage too small to learn much",
  license: "apache-2.0",
  system: "imagen-video",
  model: {
    model_type: "imagen_video_unet",
    dim: 8,
    dim_mults: [1],
    blocks: [1],
    self_attention: [0],
    text_attention: [1],
    temporal: "both",
    text_width: 16,
    context_width: 8,
    head_dim: 4,
    norm_groups: 4,
    frame_buckets: 8,
    frame_distance: 16,
  },
  trainer: { schedule: { kind: "cosine", peak: 1e-2, warmup: 2 }, ema: 0.9, clip: 1 },
  data: {
    source: "shapesworld",
    size: [8, 8],
    clips: { frames: 4, fps: 4, pictures: 0.5 },
    shapesworld: { vocabulary: { size: ["large"], motion: ["left", "up"] } },
  },
  text: { maxLength: 12 },
  batch: 4,
  steps: 6,
  seed: 5,
  saveEvery: 4,
  evaluateEvery: 3,
  evaluationSamples: 6,
};

export const tinyStage = (change: Partial<RecipeInput> = {}) =>
  parseRecipe({ ...TINY_STAGE, ...change });
