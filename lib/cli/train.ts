import { basename, join } from "node:path";
import { GROUPS, type ModuleDType } from "../core/load.js";
import { trainable } from "../models/index.js";
import { RunFolder } from "../recipes/folder.js";
import {
  type ClassifierEstimate,
  type Estimate,
  estimate,
  type Finished,
  isCascadeRecipe,
  type RunOptions,
  runRecipe,
  runStageRecipe,
} from "../recipes/index.js";
import { readRecipeFile } from "../recipes/recipe.js";
import { usage, wholeNumber } from "./arguments.js";
import { defineCommand } from "./command.js";
import { loadOptions, MODEL_ARGS } from "./model_args.js";
import { trainCascade } from "./train_cascade.js";
import { evaluationText, TRAINING_GRACE_MS, TrainingProgress, tellBad } from "./train_progress.js";
import { recipeOf } from "./train_recipe.js";

export default defineCommand({
  name: "train",
  description: `Trains a model as a recipe says: ${Object.keys(trainable).join(", ")}`,
  args: {
    system: { type: "positional", description: "What to train" },
    recipe: {
      type: "string",
      valueHint: "FILE|name",
      description: "A JSON file, or a recipe of the package (vit22b/shapes, imagen_video/base)",
    },
    data: {
      type: "string",
      valueHint: "SOURCE",
      description: "shapesworld, folder:DIR, coco:FILE, jsonl:FILE, or a path (the recipe's)",
    },
    out: { type: "string", valueHint: "DIR", description: "The run's folder (runs/RECIPE)" },
    steps: {
      type: "string",
      valueHint: "N",
      description: "Stop after so many steps; the schedule stays the recipe's",
    },
    resume: { type: "boolean", description: "Go on from the newest checkpoint in --out" },
    set: {
      type: "string",
      valueHint: "FIELD=JSON",
      description: "A field of the recipe, as in trainer.schedule.peak=3e-4",
    },
    workers: { type: "string", valueHint: "N", description: "Threads that prepare batches" },
    "dry-run": { type: "boolean", description: "Only tell what the run would take" },
    isolate: MODEL_ARGS.isolate,
    "tensor-parallel": MODEL_ARGS["tensor-parallel"],
    "data-parallel": MODEL_ARGS["data-parallel"],
    group: {
      ...MODEL_ARGS.group,
      options: [...GROUPS],
      description: "Ranks are started processes over Gloo, or threads",
    },
    layout: MODEL_ARGS.layout,
    overlap: MODEL_ARGS.overlap,
  },
  many: ["set"],
  grace: TRAINING_GRACE_MS,
  async run({ args, lists, output, signal }) {
    const system = systemOf(args.system);
    const name = args.recipe ?? system.recipe;
    const out = args.out ?? join("runs", folderName(name));
    const resume = args.resume === true;
    const begun = resume && args.recipe === undefined;
    const written = begun ? new RunFolder(out).recipe() : readRecipeFile(name);
    if (isCascadeRecipe(written)) {
      const set = lists.set ?? [];
      if ("kind" in system) {
        return await trainCascade(written, system, { args, output, signal, out, set });
      }
      throw usage(`expected a recipe of ${system.name} but received one of a cascade`);
    }
    const recipe = recipeOf(written, args, lists.set ?? []);
    if (recipe.system !== system.name) {
      throw usage(`expected a recipe of ${system.name} but received one of ${recipe.system}`);
    }
    const load = loadOptions(args, signal);
    if (args["dry-run"]) {
      const told: Estimate | ClassifierEstimate =
        "kind" in system
          ? estimate(recipe, system, load.dtype)
          : estimate(recipe, system, load.dtype);
      output.result(told, describeEstimate(name, told, load.dtype));
      return;
    }
    const steps = wholeNumber("steps", args.steps, { least: 1 });
    const progress = new TrainingProgress(output, steps ?? recipe.steps);
    try {
      const options: RunOptions = {
        ...{ out, resume, steps, load, signal },
        onMetrics: (metrics) => progress.tell(metrics),
        onBad: tellBad(output),
      };
      const finished =
        "kind" in system
          ? await runStageRecipe(recipe, system, options)
          : await runRecipe(recipe, system, options);
      progress.stop();
      output.result(finished, describe(finished));
    } finally {
      progress.stop();
    }
  },
});

/** `vit22b-shapes` for a recipe of the package, `mine` for the file `recipes/mine.json`. */
function folderName(recipe: string): string {
  return recipe.endsWith(".json") ? basename(recipe, ".json") : recipe.replaceAll("/", "-");
}

function systemOf(name: string) {
  if (Object.hasOwn(trainable, name)) return trainable[name as keyof typeof trainable];
  const known = Object.keys(trainable).join(", ");
  throw usage(`expected a system that can be trained (${known}) but received ${name}`);
}

function describe({ model, curve, steps, parameters, loss, evaluation }: Finished): string {
  const lines = [
    `${model}: ${parameters.toLocaleString("en-US")} parameters after ${steps} steps`,
    `  loss of the last step  ${loss.toPrecision(4)}`,
  ];
  if (evaluation) lines.push(`  held-out               ${evaluationText(evaluation)}`);
  return [...lines, `  curve                  ${curve}`].join("\n");
}

function describeEstimate(
  name: string,
  told: Estimate | ClassifierEstimate,
  dtype: ModuleDType = "float32",
): string {
  const count = (value: number) => value.toLocaleString("en-US");
  const lines = [
    `${name}: ${count(told.parameters)} parameters, of which ${count(told.trained)} are trained`,
    ...told.groups.map(({ pattern, parameters, frozen, decay = 0, rate = 1 }) => {
      const how = frozen ? "frozen" : `decay ${decay}, learning rate times ${rate}`;
      return `  ${pattern.padEnd(24)}${count(parameters).padStart(16)}  ${how}`;
    }),
    `memory in ${dtype}, activations and batches on top:`,
    ...Object.entries(told.bytes).map(([what, bytes]) => {
      return `  ${what.padEnd(24)}${gigabytes(bytes).padStart(16)}`;
    }),
    [
      `${count(told.steps)} steps: ${count(told.samples)} samples`,
      ...("tokens" in told
        ? [`${count(told.tokens)} tokens, ${told.flops.toExponential(2)} floating-point operations`]
        : []),
    ].join(", "),
  ];
  return lines.join("\n");
}

function gigabytes(bytes: number): string {
  return `${(bytes / 1e9).toPrecision(4)} GB`;
}
