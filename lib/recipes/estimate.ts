/** What a run takes, told before anything is made. */
import { badField } from "../core/config.js";
import { TorchsightError } from "../core/errors.js";
import type { ModuleDType } from "../core/load.js";
import type { GroupOptions, OptimizerOptions } from "../train/options.js";
import type { Recipe } from "./recipe.js";
import type { TrainableSystem, Trained } from "./trainable.js";

/** Weights that are treated alike, and how many there are. */
export interface EstimatedGroup extends GroupOptions {
  /** Single numbers. */
  parameters: number;
}

/** A run on paper. */
export interface Estimate {
  /** Single numbers of the model, and those of them that move. */
  parameters: number;
  trained: number;
  /** The recipe's groups in order; last, under the pattern `*`, what fits none of them. */
  groups: EstimatedGroup[];
  /** Bytes that are held over the whole run. Activations and batches come on top. */
  bytes: { weights: number; gradients: number; optimizer: number; averages: number };
  steps: number;
  samples: number;
}

/** That of a classifier. A recipe that leaves its labels to the data is told without their head. */
export interface ClassifierEstimate extends Estimate {
  tokens: number;
  /** Floating-point operations of the whole run; a backward pass counts as two forward passes. */
  flops: number;
}

type Shapes = ReturnType<Trained["parameterShapes"]>;
const BYTES: Readonly<Record<ModuleDType, number>> = {
  float64: 8,
  float32: 4,
  bfloat16: 2,
  float16: 2,
};

/**
 * What a recipe of a new model comes to, its weights of that type. Throws `BAD_CONFIG` for groups
 * that fit no parameter, and `UNSUPPORTED` for recipes that go on from a model.
 */
export function estimate<Config>(
  recipe: Recipe,
  system: TrainableSystem<Config>,
  dtype?: ModuleDType,
): ClassifierEstimate;
export function estimate<Config>(
  recipe: Recipe,
  system: Trained<Config>,
  dtype?: ModuleDType,
): Estimate;
export function estimate<Config>(
  recipe: Recipe,
  system: Trained<Config> & Partial<Pick<TrainableSystem<Config>, "tokens" | "flops">>,
  dtype: ModuleDType = "float32",
): Estimate | ClassifierEstimate {
  if (recipe.model === undefined) {
    const message = "expected a recipe of a new model; what goes on from another is known once it";
    throw new TorchsightError("UNSUPPORTED", `${message} is loaded`);
  }
  const config = system.parseConfig(recipe.model);
  const shapes = system.parameterShapes(config);
  const sorted = sortedInto(recipe.trainer.groups ?? [], shapes);
  const moving = sorted.filter(({ group }) => !group.frozen).flatMap((sort) => sort.shapes);
  const trained = count(moving);
  const bytes = BYTES[dtype];
  const samples = recipe.steps * recipe.batch;
  return {
    parameters: count(shapes),
    trained,
    groups: sorted.map(({ group, shapes }) => ({ ...group, parameters: count(shapes) })),
    bytes: {
      weights: count(shapes) * bytes,
      gradients: trained * bytes,
      optimizer: optimizerBytes(recipe.trainer.optimizer ?? { kind: "adamw" }, moving, bytes),
      averages: recipe.trainer.ema ? trained * bytes : 0,
    },
    steps: recipe.steps,
    samples,
    ...(system.tokens && { tokens: samples * system.tokens(config) }),
    ...(system.flops && { flops: 3 * system.flops(config) * samples }),
  };
}

/** Parameters by the first group whose pattern fits; `*` takes the others. */
function sortedInto(groups: readonly GroupOptions[], shapes: Shapes) {
  const sorted = groups.map((group) => ({ group, shapes: [] as Shapes }));
  const others: (typeof sorted)[number] = { group: { pattern: "*" }, shapes: [] };
  for (const shape of shapes) {
    const fitting = sorted.find(({ group }) => fits(group.pattern, shape[0])) ?? others;
    fitting.shapes.push(shape);
  }
  const unused = sorted.find(({ shapes }) => shapes.length === 0);
  if (unused) {
    const expected = "a pattern that fits a parameter which no earlier one fits";
    throw badField("trainer.groups", expected, unused.group.pattern);
  }
  return others.shapes.length > 0 ? [...sorted, others] : sorted;
}

/** Whether `name` fits `pattern`, in which * stands for any text. */
function fits(pattern: string, name: string): boolean {
  const parts = pattern.split("*").map((part) => part.replace(/[.\\+?^${}()|[\]]/g, "\\$&"));
  return new RegExp(`^${parts.join(".*")}$`).test(name);
}

function optimizerBytes(options: OptimizerOptions, shapes: Shapes, bytes: number): number {
  if (options.kind === "adamw") return 2 * bytes * count(shapes);
  const { momentum = 0.9 } = options;
  if (options.kind === "sgd") return momentum > 0 ? bytes * count(shapes) : 0;
  const { min_dim_to_factor: least = 32 } = options;
  const moments = shapes.map(([, shape]) => {
    const sides = [...shape].sort((a, b) => a - b);
    const [second = 0, largest = 0] = sides.slice(-2);
    const size = product(shape);
    // Of each row and of each column; of each entry where a side is small.
    return sides.length >= 2 && second >= least ? size / largest + size / second : size;
  });
  const sum = moments.reduce((total, own) => total + own, 0);
  return bytes * sum + (momentum > 0 ? BYTES.bfloat16 * count(shapes) : 0);
}

function count(shapes: Shapes): number {
  return shapes.reduce((sum, [, shape]) => sum + product(shape), 0);
}

function product(shape: readonly number[]): number {
  return shape.reduce((all, side) => all * side, 1);
}
