/** Training of one stage of a video cascade, in a folder of its own. */
import { join } from "node:path";
import { badField } from "../../core/config.js";
import { captionedData, type DataLoader } from "../../data/index.js";
import type { ShapesWorldOptions } from "../../data/shapesworld/index.js";
import { captionWords } from "../../data/shapesworld/lexicon.js";
import { CaptionFeatures } from "../../models/imagen_video/caption_features.js";
import { T5Encoder } from "../../models/t5/index.js";
import { Trainer, type TrainerOptions } from "../../train/index.js";
import { throughAverages } from "../evaluate.js";
import { RunFolder } from "../folder.js";
import { type Finished, finish, makeSteps, type Running } from "../loop.js";
import { type Evaluation, MetricsFile } from "../metrics.js";
import type { Recipe } from "../recipe.js";
import { checkSteps, type RunOptions, sourceModel } from "../run.js";
import { startingModel } from "../starting.js";
import { Tracked } from "../tracked.js";
import type { TrainableStages } from "../trainable.js";
import { withFeatures } from "./loader.js";
import { writeWordEncoder } from "./word_encoder.js";

/** The encoder that is made for the run, and its folder there. */
const WORDS = "words";
export const TEXT_FOLDER = "text";

/**
 * Trains a stage of a cascade, or a student of one (`trainer.loss`), and leaves everything about
 * the run in a folder, whose `model` is one that `VideoStage.load` opens. Rejects as `runRecipe`.
 *
 * @example
 * ```ts
 * const recipe = readRecipe("imagen_video/base");
 * const { model } = await runStageRecipe(recipe, imagenVideo.training, { out: "run" });
 * ```
 */
export async function runStageRecipe<Config extends object>(
  recipe: Recipe,
  system: TrainableStages<Config>,
  options: RunOptions,
): Promise<Finished> {
  const { out, resume = false, steps = recipe.steps, signal, onMetrics } = options;
  checkSteps(recipe, steps);
  const folder = new RunFolder(out);
  const checkpoint = folder.prepare(recipe, resume);
  const loading = { ...options.load, signal };
  await using source = await sourceModel(recipe, checkpoint, loading);
  const given = system.parseConfig(source?.config ?? recipe.model);
  const config = recipe.trainer.loss === "guidance" ? system.withGuidance(given) : given;
  await using encoder = await openEncoder(recipe, out, system.textWidth(config));
  const { maxLength, cache } = recipe.text ?? {};
  const features = new CaptionFeatures(encoder, { maxLength, cache });
  await using data = await openClips(recipe, "train", options);
  const most = recipe.evaluationSamples;
  await using held = most > 0 ? await openClips(recipe, "held", options) : undefined;
  const starting = { source, seed: recipe.seed, scratch: out, options: loading };
  await using model =
    source && checkpoint !== undefined ? source : await startingModel(config, starting);
  using trainer = new Trainer(model, trainerOptions(recipe));
  const loader = new Tracked(withFeatures(data, features));
  if (checkpoint !== undefined) await trainer.resume(out, loader);
  folder.note(recipe);
  using file = new MetricsFile(folder.metrics, trainer.steps);
  const running: Running = {
    ...{ recipe, steps, folder, model, labels: [], trainer, loader, signal },
    evaluate: async () => held && (await evaluate({ trainer, held, features, most, signal })),
    tell: (metrics) => {
      file.add(metrics);
      onMetrics?.(metrics);
    },
  };
  await makeSteps(running);
  return await finish(running);
}

/** Noise is drawn of the recipe's seed, unless it says otherwise. */
function trainerOptions({ trainer, seed }: Recipe): TrainerOptions {
  return { ...trainer, diffusion: { seed, ...trainer.diffusion } };
}

async function openEncoder({ text = {} }: Recipe, out: string, width: number): Promise<T5Encoder> {
  const { encoder = WORDS, seed = 0 } = text;
  const folder = encoder === WORDS ? join(out, TEXT_FOLDER) : encoder;
  if (encoder === WORDS) await writeWordEncoder(folder, captionWords(), { width, seed });
  const opened = await T5Encoder.load(folder);
  const { d_model } = opened.config;
  if (d_model === width) return opened;
  await opened[Symbol.asyncDispose]();
  throw badField("model.text_width", `${d_model}, the width of ${encoder},`, width);
}

/** Opens a part of a recipe's clips. Throws `BAD_CONFIG` where the recipe has none. */
async function openClips(
  recipe: Recipe,
  split: "train" | "held",
  { signal, onBad }: RunOptions,
): Promise<DataLoader> {
  const { source, size, clips, workers, shapesworld, maxBad, heldShare, splitSeed } = recipe.data;
  if (source === undefined) throw badField("data.source", "where the data is", source);
  if (size === undefined) throw badField("data.size", "[height, width] of the clips", size);
  const [height, width] = size;
  return await captionedData(source, {
    ...{ ...clips!, split, signal, onBad, maxBad, heldShare, splitSeed },
    batch: recipe.batch,
    seed: recipe.seed,
    size: [height, width],
    // Held-out samples are few, and looked at again and again.
    workers: split === "train" ? workers : 0,
    heldClips: Math.max(1, recipe.evaluationSamples),
    shapesworld: shapesworld as ShapesWorldOptions | undefined,
  });
}

/** What a stage is evaluated on. */
interface Evaluated {
  trainer: Trainer;
  held: DataLoader;
  features: CaptionFeatures;
  most: number;
  signal: AbortSignal | undefined;
}

/** The loss of held-out clips under noise that is the same each time. */
async function evaluate(evaluated: Evaluated): Promise<Evaluation> {
  return await throughAverages(evaluated.trainer, () => lookAt(evaluated));
}

async function lookAt({ trainer, held, features, most, signal }: Evaluated): Promise<Evaluation> {
  const control = signal ? { signal } : {};
  const first = held.cursor();
  let [samples, loss] = [0, 0];
  try {
    for await (const batch of withFeatures(held, features, { numbered: true })) {
      const size = batch.video!.shape[0]!;
      loss += size * (await trainer.evaluate(batch, control)).loss!;
      samples += size;
      if (samples >= most) break;
    }
  } finally {
    held.seek(first);
  }
  return { samples, loss: loss / samples };
}
