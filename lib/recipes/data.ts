/** The data of a recipe. */
import { badField } from "../core/config.js";
import {
  type ClassificationData,
  type ClassificationOptions,
  classificationData,
} from "../data/index.js";
import type { ShapesWorldOptions } from "../data/shapesworld/index.js";
import type { Recipe } from "./recipe.js";

/** What decides on a part of the data beside the recipe. */
export interface Part extends Pick<ClassificationOptions, "signal" | "onBad"> {
  split: "train" | "held";
  /** Of the model; the recipe's own goes before it. */
  size: readonly [height: number, width: number];
  /** Whether labels are wanted as indices, of which each sample has one. */
  indices: boolean;
}

/**
 * Opens a part of a recipe's data. Throws `BAD_CONFIG` where the recipe has none, or samples have
 * several labels where indices are wanted; and what {@link classificationData} throws.
 */
export async function openData(recipe: Recipe, part: Part): Promise<ClassificationData> {
  const { split, indices, signal, onBad } = part;
  const { source, workers, shapesworld, size: [height, width] = part.size, ...list } = recipe.data;
  if (source === undefined) throw badField("data.source", "where the data is", source);
  const opened = await classificationData(source, {
    ...list,
    ...{ split, signal, onBad },
    batch: recipe.batch,
    seed: recipe.seed,
    size: [height, width],
    labels: indices ? "index" : "multi_hot",
    // Held-out samples are few, and looked at again and again.
    workers: split === "train" ? workers : 0,
    heldScenes: Math.max(1, recipe.evaluationSamples),
    shapesworld: shapesworld as ShapesWorldOptions | undefined,
  });
  if (!indices || !opened.multiLabel) return opened;
  await opened[Symbol.asyncDispose]();
  throw badField("model.loss", "sigmoid for data of several labels a sample", "softmax");
}
