/** Small models of the family, trained for a claim. */
import { TorchsightError } from "../../core/errors.js";
import { createModule, type LoadOptions } from "../../core/load.js";
import type { Module } from "../../core/module.js";
import { SHAPES } from "../../data/shapesworld/vocabulary.js";
import type { ShapesWorld } from "../../data/shapesworld/world.js";
import type { ViT22BConfigInput } from "../../models/vit22b/config.js";
import { type GroupOptions, Trainer } from "../../train/index.js";
import { answersOf, answersTo, batchesOf, clipsOf, type Question } from "./pictures.js";

/** What the settings of all claims that train have in common. */
export interface SmallSizes {
  depth: number;
  heads: number;
  /** Pixels of a picture's and of a patch's side. */
  side: number;
  patch: number;
  batch: number;
  steps: number;
}

/** A model and how it is trained. */
export interface SmallRun extends SmallSizes {
  width: number;
  question: Question;
  world: ShapesWorld;
  /** The highest learning rate; it rises over a tenth of the steps and falls as a cosine. */
  rate: number;
  seed: number;
  /** Fields of the config that are what the claim is about. */
  config?: Partial<ViT22BConfigInput> | undefined;
}

const DECAY: readonly GroupOptions[] = [{ pattern: "*.weight", decay: 1e-2 }];
const WARM = 0.1;

/** A model with random weights. The caller disposes of it. */
export async function smallModel(
  run: Omit<SmallRun, "world" | "batch" | "steps" | "rate">,
  options: LoadOptions = {},
): Promise<Module> {
  const { width, depth, heads, side, patch, question, seed, config = {} } = run;
  return await createModule(
    {
      model_type: "vit22b",
      hidden_size: width,
      num_hidden_layers: depth,
      num_attention_heads: heads,
      intermediate_size: 4 * width,
      image_size: side,
      patch_size: patch,
      pooling: "mean",
      num_labels: answersOf(question),
      loss: question === "shape" ? "softmax" : "sigmoid",
      ...config,
    },
    { ...options, seed },
  );
}

/**
 * Trains a model in place by AdamW; tells the loss of each step. It ends early, with an infinite
 * loss, where training breaks down.
 */
export async function trainSmall(
  model: Module,
  { world, batch, question, steps, rate }: SmallRun,
  signal: AbortSignal,
): Promise<number[]> {
  using trainer = new Trainer(model, {
    schedule: { kind: "cosine", peak: rate, steps, warmup: Math.ceil(steps * WARM) },
    groups: DECAY,
    clip: 1,
  });
  const losses: number[] = [];
  try {
    const batches = batchesOf(world, batch, question);
    for await (const { loss } of trainer.fit(batches, { steps, signal })) losses.push(loss);
  } catch (error) {
    if (!(error instanceof TorchsightError && error.code === "DIVERGED")) throw error;
    losses.push(Number.POSITIVE_INFINITY);
  }
  return losses;
}

/** The mean of the last tenth. */
export function last(losses: readonly number[]): number {
  const tail = losses.slice(-Math.ceil(losses.length / 10));
  return tail.reduce((sum, loss) => sum + loss, 0) / tail.length;
}

/** The share of a world's first pictures whose shape a model for the question `shape` tells. */
export async function accuracyOf(model: Module, world: ShapesWorld, count: number) {
  let right = 0;
  for await (const { clip, answer } of answersTo(model, clipsOf(world, 0, count))) {
    if (SHAPES[answer] === clip.objects[0]!.shape) right += 1;
  }
  return right / count;
}
