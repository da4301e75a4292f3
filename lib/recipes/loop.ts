/** The steps of a run, and what they leave. */
import { writeFigure } from "../chart/index.js";
import { TorchsightError } from "../core/errors.js";
import type { Module } from "../core/module.js";
import type { Trainer } from "../train/index.js";
import { cardOf } from "./card.js";
import { curveOf } from "./curve.js";
import { throughAverages } from "./evaluate.js";
import type { RunFolder } from "./folder.js";
import { type Evaluation, isEvaluation, type Metrics, readMetrics } from "./metrics.js";
import type { Recipe } from "./recipe.js";
import type { Tracked } from "./tracked.js";

/** A run that goes on. */
export interface Running {
  recipe: Recipe;
  /** Steps after which it ends. */
  steps: number;
  folder: RunFolder;
  model: Module;
  labels: readonly string[];
  trainer: Trainer;
  loader: Tracked;
  /** Looks at held-out samples; undefined where there are none. */
  evaluate: () => Promise<Evaluation | undefined>;
  tell: (metrics: Metrics) => void;
  signal: AbortSignal | undefined;
}

/** What came of a run. */
export interface Finished {
  /** The folder of the trained model, with the averages of its weights where there are any. */
  model: string;
  /** The picture of the run. */
  curve: string;
  /** Steps that were made, those before a checkpoint included. */
  steps: number;
  /** Single numbers of the model. */
  parameters: number;
  /** Of the last step. */
  loss: number;
  /** The last one. */
  evaluation?: Evaluation;
}

/** Makes the steps; an interrupt leaves a checkpoint, and is then thrown as `CANCELLED`. */
export async function makeSteps(running: Running): Promise<void> {
  const { recipe, folder, trainer, loader, signal } = running;
  try {
    await allSteps(running);
  } catch (cause) {
    if (!signal?.aborted) throw cause;
    await trainer.save(folder.path, { loader, keep: recipe.keep });
    await drawCurve(running);
    const message = `interrupted after ${trainer.steps} steps; a checkpoint is in ${folder.path}`;
    throw new TorchsightError("CANCELLED", message, { cause });
  }
}

async function allSteps(running: Running): Promise<void> {
  const { recipe, steps, folder, trainer, loader, evaluate, tell, signal } = running;
  const { saveEvery, keep, evaluateEvery } = recipe;
  const fitting = { steps, out: folder.path, saveEvery, keep, signal };
  for await (const step of trainer.fit(loader, fitting)) {
    loader.settle();
    tell(step);
    const due = evaluateEvery !== undefined && trainer.steps % evaluateEvery === 0;
    if (!due && trainer.steps < steps) continue;
    const evaluation = await evaluate();
    if (evaluation) tell({ step: step.step, evaluation });
  }
}

/** Writes the trained model and the curves. */
export async function finish(running: Running): Promise<Finished> {
  const { recipe, folder, model, labels, trainer, signal } = running;
  const metrics = await drawCurve(running);
  const evaluation = metrics.filter(isEvaluation).at(-1)?.evaluation;
  const loss = metrics.flatMap((one) => (isEvaluation(one) ? [] : [one.loss])).at(-1);
  const parameters = model.parameters.reduce((sum, { shape }) => {
    return sum + shape.reduce((all, side) => all * side, 1);
  }, 0);
  const card = cardOf({ recipe, labels, parameters, steps: trainer.steps, evaluation });
  const save = async (path: string) => {
    await model.save(path, { signal });
  };
  await folder.replaceModel(card, (path) => throughAverages(trainer, () => save(path)));
  return {
    model: folder.model,
    curve: `${folder.curve}.png`,
    steps: trainer.steps,
    parameters,
    loss: loss ?? Number.NaN,
    ...(evaluation && { evaluation }),
  };
}

async function drawCurve({ recipe, folder }: Running): Promise<Metrics[]> {
  const metrics = readMetrics(folder.metrics);
  const title = `Loss of ${recipe.system} on ${recipe.data.source}`;
  await writeFigure(curveOf(title, metrics), folder.curve);
  return metrics;
}
