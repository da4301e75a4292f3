/**
 * Recipes: everything that decides on a run of training, in one JSON file. Those that ship with the
 * package lie in `recipes/`, a folder for each system.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { badField, type Field, integer, objectOf, oneOf, positive } from "../core/config.js";
import { TorchsightError } from "../core/errors.js";
import type { PlainTrainerOptions } from "../train/options.js";
import {
  anyObject,
  type Checks,
  checkedFields,
  listOf,
  objectWith,
  optional,
  text,
  within,
} from "./fields.js";
import { trainerOptions } from "./trainer_fields.js";

/** Where a run's batches come from. */
export interface RecipeData {
  /**
   * `shapesworld`, or a user's own as docs/training.md lists them. A recipe of data that nobody can
   * get has none, and needs one to be run.
   */
  source?: string | undefined;
  /** Height and width of pictures. Default: those of the model. */
  size?: readonly [height: number, width: number] | undefined;
  /** Threads that prepare batches. Default 0: the program's own does, ahead of its steps. */
  workers?: number | undefined;
  /** Samples that may be bad; one more ends the run. Default 100. */
  maxBad?: number | undefined;
  /** The share of a list that is held out for evaluations. Default 0.1. */
  heldShare?: number | undefined;
  /** Decides which samples of a list are held out. Default 0. */
  splitSeed?: number | undefined;
  /** The folder of the pictures that a file of COCO names. Default: that of the file. */
  images?: string | undefined;
  /** What Shapes World draws, beside size and seed: see `ShapesWorldOptions`. */
  shapesworld?: Record<string, unknown> | undefined;
  /** Of stages of a cascade: the clips that they are trained on. */
  clips?: RecipeClips | undefined;
}

/** Clips of a stage. */
export interface RecipeClips {
  frames: number;
  /** Frames a second. */
  fps: number;
  /** The share of clips whose frames are taken for pictures by themselves. Default 0. */
  pictures?: number | undefined;
  /** Of Shapes World: `plain` captions (default), or any of its `grammar`. */
  captions?: "plain" | "grammar" | undefined;
}

/** What reads the captions of a stage's clips. */
export interface RecipeText {
  /**
   * `words` (default): a T5 with random weights that knows the words of Shapes World, made in the
   * folder of the run; or a folder or name of a trained one. It is not trained.
   */
  encoder?: string | undefined;
  /** Of the weights of `words`. Default 0. */
  seed?: number | undefined;
  /** Tokens of a caption at most. Default 128. */
  maxLength?: number | undefined;
  /** A folder in which what it says is kept from run to run. */
  cache?: string | undefined;
}

/** A run of training. */
export interface Recipe {
  /** What it trains, in a sentence. */
  description?: string | undefined;
  /** Where its numbers were published. */
  sources?: readonly string[] | undefined;
  /** Licence of the weights that come of it, as Hugging Face's model cards name licences. */
  license?: string | undefined;
  /** What is trained: `vit22b`, or `imagen-video`, a stage of a cascade. */
  system: string;
  /** The config of a new model, whose weights are drawn from {@link seed}. Instead of `init`. */
  model?: Record<string, unknown> | undefined;
  /** A model to go on from: a folder, or any name that `load` takes. Instead of `model`. */
  init?: string | undefined;
  /** How it is trained. A schedule without `steps` has those of the recipe. */
  trainer: PlainTrainerOptions;
  data: RecipeData;
  /** Of stages of a cascade. */
  text?: RecipeText | undefined;
  /** Samples of a step. */
  batch: number;
  steps: number;
  /** Of the weights and the order of the data. Default 0. */
  seed: number;
  /** Steps between checkpoints. Default: one at the end. */
  saveEvery?: number | undefined;
  /** Checkpoints to keep, the newest. Default 2. */
  keep: number;
  /** Steps between evaluations on held-out samples. Default: one at the end. */
  evaluateEvery?: number | undefined;
  /** Held-out samples of an evaluation; 0 for no evaluations. Default 512. */
  evaluationSamples: number;
}

/** A recipe as users write it: what has a default may be left out. */
export type RecipeInput = Partial<Recipe> & Pick<Recipe, "system" | "batch" | "steps">;

const size: Field = (name, value) => {
  const sides = Array.isArray(value) ? value : [];
  if (sides.length === 2 && sides.every((side) => Number.isSafeInteger(side) && side > 0)) {
    return value;
  }
  throw badField(name, "[height, width] in pixels", value);
};

const CLIPS: Checks<RecipeClips> = {
  frames: integer(1),
  fps: positive(1000),
  pictures: optional(within(0, 1)),
  captions: optional(oneOf("plain", "grammar")),
};

const TEXT: Checks<RecipeText> = {
  encoder: optional(text),
  seed: optional(integer(0)),
  maxLength: optional(integer(2)),
  cache: optional(text),
};

const DATA: Checks<RecipeData> = {
  source: optional(text),
  size: optional(size),
  workers: optional(integer(0)),
  maxBad: optional(integer(0)),
  heldShare: optional(within(0, 1)),
  splitSeed: optional(integer(0)),
  images: optional(text),
  shapesworld: optional(anyObject),
  clips: optional(objectWith(CLIPS)),
};

const RECIPE: Checks<Recipe> = {
  description: optional(text),
  sources: optional(listOf(text)),
  license: optional(text),
  system: text,
  model: optional(anyObject),
  init: optional(text),
  trainer: trainerOptions,
  data: objectWith(DATA),
  text: optional(objectWith(TEXT)),
  batch: integer(1),
  steps: integer(1),
  seed: optional(integer(0), 0),
  saveEvery: optional(integer(1)),
  keep: optional(integer(1), 2),
  evaluateEvery: optional(integer(1)),
  evaluationSamples: optional(integer(0), 512),
};

/** The recipes that ship with the package. */
const SHIPPED = fileURLToPath(new URL("../../recipes/", import.meta.url));
const ENDING = ".json";
/** Those of whole cascades, whose stages have recipes of their own. */
const CASCADE = `.cascade${ENDING}`;
/** The system whose recipes are of clips. */
const STAGES = "imagen-video";
const STAGE_LOSSES = ["denoising", "guidance", "progressive"];

/**
 * A complete recipe of the contents of a file: every field checked, defaults filled in. Throws
 * `BAD_CONFIG`, which names the field.
 */
export function parseRecipe(input: unknown): Recipe {
  const given = objectOf(input, "the recipe");
  const trainer = objectOf(given.trainer ?? {}, "trainer");
  const schedule = objectOf(trainer.schedule ?? {}, "trainer.schedule");
  const recipe = checkedFields<Recipe>(
    {
      ...given,
      data: given.data ?? {},
      trainer: { ...trainer, schedule: { steps: given.steps, ...schedule } },
    },
    RECIPE,
  );
  if ((recipe.model === undefined) === (recipe.init === undefined)) {
    throw new TorchsightError("BAD_CONFIG", "expected one of model and init in the recipe");
  }
  checkClips(recipe);
  return recipe;
}

/** Stages of a cascade see clips and read texts; nothing else does. */
function checkClips({ system, data, text, trainer: { diffusion, loss } }: Recipe): void {
  const stage = system === STAGES;
  if (loss !== undefined && STAGE_LOSSES.includes(loss) !== stage) {
    throw badField("trainer.loss", `one of a system like ${system}`, loss);
  }
  if (stage && data.clips === undefined) throw badField("data.clips", "frames and fps", undefined);
  if (stage) return;
  if (data.clips) throw badField("data.clips", `nothing, but for ${STAGES},`, data.clips);
  if (diffusion) throw badField("trainer.diffusion", `nothing, but for ${STAGES},`, diffusion);
  if (text) throw badField("text", `nothing, but for ${STAGES},`, text);
}

/** Names of the recipes that ship with the package, such as `vit22b/shapes`. */
export function shippedRecipes(): string[] {
  const systems = readdirSync(SHIPPED).sort();
  return systems.flatMap((system) => {
    const files = readdirSync(join(SHIPPED, system)).sort();
    return files
      .filter((file) => !file.endsWith(CASCADE))
      .map((file) => `${system}/${basename(file, ENDING)}`);
  });
}

/**
 * Reads a recipe: a file's path, or the name of one that ships with the package. Throws
 * `NOT_FOUND`, or `BAD_CONFIG` for what is none.
 */
export function readRecipe(pathOrName: string): Recipe {
  return parseRecipe(readRecipeFile(pathOrName));
}

/** As {@link readRecipe}, as it stands there. */
export function readRecipeFile(pathOrName: string): Record<string, unknown> {
  const file = fileOf(pathOrName);
  try {
    return objectOf(JSON.parse(readFileSync(file, "utf8")), file);
  } catch (cause) {
    if (cause instanceof TorchsightError) throw cause;
    const message = `expected JSON in ${file}: ${(cause as Error).message}`;
    throw new TorchsightError("BAD_CONFIG", message, { cause });
  }
}

function fileOf(pathOrName: string): string {
  const shipped = join(SHIPPED, pathOrName + ENDING);
  if (/^\w+\/[\w.-]+$/.test(pathOrName) && existsSync(shipped)) return shipped;
  if (existsSync(pathOrName)) return pathOrName;
  const known = shippedRecipes().join(", ");
  throw new TorchsightError("NOT_FOUND", `there is no recipe ${pathOrName}; known are ${known}`);
}
