/** A whole cascade: its stages trained one after the other, put together into one folder. */
import { cpSync, existsSync } from "node:fs";
import { join } from "node:path";
import { badField, objectOf, oneOf } from "../../core/config.js";
import { load, MODULE_DTYPES, type ModuleDType } from "../../core/load.js";
import { parseCascade } from "../../models/imagen_video/cascade_config.js";
import { latestCheckpoint } from "../../train/index.js";
import {
  anyObject,
  type Checks,
  checkedFields,
  listOf,
  objectWith,
  optional,
  text,
} from "../fields.js";
import type { Finished } from "../loop.js";
import type { Metrics } from "../metrics.js";
import { parseRecipe, type Recipe, readRecipeFile } from "../recipe.js";
import type { RunOptions } from "../run.js";
import type { TrainableStages } from "../trainable.js";
import { replaceFile, replaceFolder } from "../whole.js";
import { runStageRecipe, TEXT_FOLDER } from "./run.js";

/** A stage of a cascade that is to be trained; what is told of sampling goes to `cascade.json`. */
export interface CascadeStage {
  name: string;
  /** A file, or the name of one that ships with the package. */
  recipe: string;
  /** Fields of the recipe that differ. */
  change?: Partial<Recipe> | undefined;
  /** `sampler`, `guidance`, `threshold` and `augmentation_snr` of `cascade.json`. */
  sampling?: Record<string, unknown> | undefined;
}

/** A cascade that is to be trained. */
export interface CascadeRecipe {
  description?: string | undefined;
  system: string;
  /** Of the weights in the folder of the cascade. Default `bfloat16`. */
  dtype: ModuleDType;
  stages: readonly CascadeStage[];
}

const STAGE: Checks<CascadeStage> = {
  name: text,
  recipe: text,
  change: optional(anyObject),
  sampling: optional(anyObject),
};
const CASCADE: Checks<CascadeRecipe> = {
  description: optional(text),
  system: oneOf("imagen-video"),
  dtype: optional(oneOf(...MODULE_DTYPES), "bfloat16"),
  stages: listOf(objectWith(STAGE)),
};

/** Whether the contents of a file tell of a whole cascade. */
export function isCascadeRecipe(written: object): boolean {
  return "stages" in written;
}

/** A complete recipe of a cascade. Throws `BAD_CONFIG`, which names the field. */
export function parseCascadeRecipe(input: unknown): CascadeRecipe {
  const recipe = checkedFields<CascadeRecipe>(objectOf(input, "the recipe"), CASCADE);
  const names = recipe.stages.map(({ name }) => name);
  if (names.length > 0 && new Set(names).size === names.length) return recipe;
  throw badField("stages", "at least one stage, each of a name of its own", names);
}

/** How a cascade is trained. */
export interface CascadeRunOptions extends Omit<RunOptions, "onMetrics" | "steps"> {
  /** Told of each step of each stage, which has so many. */
  onMetrics?: ((stage: string, metrics: Metrics, steps: number) => void) | undefined;
}

/** What came of it. */
export interface TrainedCascade {
  /** The folder of the cascade, with `cascade.json`. */
  model: string;
  stages: Record<string, Finished>;
}

/**
 * Trains the stages of a cascade in folders of their own within `out`, all with one encoder of
 * texts, and puts them together in `out/cascade`. With `resume` stages that are done are left as
 * they are. Rejects as `runStageRecipe`.
 */
export async function runCascadeRecipe<Config extends object>(
  cascade: CascadeRecipe,
  system: TrainableStages<Config>,
  options: CascadeRunOptions,
): Promise<TrainedCascade> {
  const { out, resume = false, onMetrics, ...rest } = options;
  const model = join(out, "cascade");
  const recipes = cascade.stages.map(stageRecipe);
  const described = {
    format: "torchsight.cascade" as const,
    version: 1 as const,
    text: { folder: TEXT_FOLDER, max_length: recipes[0]!.text?.maxLength ?? 128 },
    stages: cascade.stages.map((stage, place) => describe(stage, recipes[place]!)),
  };
  // Before any work: stages must follow from each other.
  parseCascade(described);
  const stages: Record<string, Finished> = {};
  let encoder: string | undefined;
  for (const [place, { name }] of cascade.stages.entries()) {
    const run = join(out, name);
    const own = recipes[place]!;
    const recipe = encoder === undefined ? own : { ...own, text: { ...own.text, encoder } };
    stages[name] = await runStageRecipe(recipe, system, {
      ...rest,
      out: run,
      resume: resume && latestCheckpoint(run) !== undefined,
      onMetrics: (metrics) => onMetrics?.(name, metrics, recipe.steps),
    });
    const made = join(run, TEXT_FOLDER);
    encoder ??= existsSync(made) ? made : own.text?.encoder;
    await writeStage(stages[name].model, join(model, name), cascade.dtype);
  }
  cpSync(encoder!, join(model, TEXT_FOLDER), { recursive: true });
  replaceFile(join(model, "cascade.json"), `${JSON.stringify(described, null, 2)}\n`);
  return { model, stages };
}

function stageRecipe({ recipe, change }: CascadeStage): Recipe {
  return parseRecipe({ ...readRecipeFile(recipe), ...change });
}

/** A stage's entry of `cascade.json`. */
function describe({ name, sampling }: CascadeStage, { data, trainer }: Recipe): object {
  const { prediction, schedule, low_res: lowRes } = trainer.diffusion ?? {};
  const [height, width] = data.size!;
  const { frames, fps } = data.clips!;
  return {
    name,
    kind: lowRes === undefined ? "base" : (lowRes.kind ?? "space"),
    ...{ frames, height, width, fps },
    ...(prediction && { prediction }),
    ...(schedule && { schedule }),
    ...(lowRes?.fill && { fill: lowRes.fill }),
    ...(lowRes?.align_corners && { align_corners: lowRes.align_corners }),
    ...sampling,
  };
}

/** A trained stage in another dtype, whole or not at all. */
async function writeStage(from: string, to: string, dtype: ModuleDType): Promise<void> {
  await replaceFolder(to, async (fresh) => {
    await using stage = await load(from, { dtype });
    await stage.save(fresh);
    for (const name of ["README.md", "recipe.json"]) cpSync(join(from, name), join(fresh, name));
  });
}
