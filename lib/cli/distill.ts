import { join } from "node:path";
import { trainable } from "../models/index.js";
import { type Distilled, distill, type Phase, recipeOfStage } from "../recipes/index.js";
import { readRecipeFile } from "../recipes/recipe.js";
import { usage, wholeNumber } from "./arguments.js";
import { defineCommand } from "./command.js";
import { loadOptions } from "./model_args.js";
import { TRAINING_GRACE_MS, TrainingProgress, tellBad } from "./train_progress.js";
import { recipeOf } from "./train_recipe.js";

const SYSTEM = "imagen-video";

export default defineCommand({
  name: "distill",
  description: `Distils a stage of a cascade to one of fewer evaluations: ${SYSTEM}`,
  args: {
    system: { type: "positional", description: "What to distil" },
    out: { type: "string", valueHint: "DIR", description: "The students' folder (runs/distilled)" },
    from: { type: "string", valueHint: "N", description: "Steps of the stage's samples (64)" },
    to: { type: "string", valueHint: "N", description: "Steps of the last student's (4)" },
    steps: {
      type: "string",
      valueHint: "N",
      description: "Updates of each student (the recipe's; 1000 where none is named)",
    },
    recipe: {
      type: "string",
      valueHint: "FILE|name",
      description: "What students see and how they are trained (what the stage was trained by)",
    },
    resume: { type: "boolean", description: "Go on with the students in --out" },
    set: {
      type: "string",
      valueHint: "FIELD=JSON",
      description: "A field of the recipe, as in trainer.diffusion.guidance_most=3",
    },
    data: { type: "string", valueHint: "SOURCE", description: "Clips to learn on (the recipe's)" },
    workers: { type: "string", valueHint: "N", description: "Threads that prepare batches" },
  },
  many: ["set"],
  grace: TRAINING_GRACE_MS,
  async run({ args, lists, output, signal }) {
    if (args.system !== SYSTEM) throw usage(`expected ${SYSTEM} but received ${args.system}`);
    const { model, out = join("runs", "distilled"), data, seed, workers } = args;
    if (model === undefined) throw usage("expected the stage to learn from as --model");
    const written = args.recipe === undefined ? recipeOfStage(model) : readRecipeFile(args.recipe);
    // Each student goes on from its teacher.
    const begun = { ...written, model: null, init: model };
    const recipe = recipeOf(begun, { data, seed, workers }, lists.set ?? []);
    const steps = wholeNumber("steps", args.steps, { least: 1 }) ?? recipe.steps;
    let progress: { phase: Phase; shown: TrainingProgress } | undefined;
    try {
      const distilled = await distill(recipe, trainable[SYSTEM], {
        ...{ model, out, steps, signal, resume: args.resume === true },
        from: wholeNumber("from", args.from, { least: 1 }) ?? 64,
        to: wholeNumber("to", args.to, { least: 1 }) ?? 4,
        load: loadOptions(args, signal),
        onBad: tellBad(output),
        onMetrics: (phase, metrics) => {
          if (progress?.phase !== phase) {
            progress?.shown.stop();
            output.log(`${phase.name}: samples in ${phase.samples} steps`);
            progress = { phase, shown: new TrainingProgress(output, steps) };
          }
          progress.shown.tell(metrics, { student: phase.name });
        },
      });
      progress?.shown.stop();
      output.result(distilled, describe(distilled));
    } finally {
      progress?.shown.stop();
    }
  },
});

function describe({ model, students }: Distilled): string {
  const lines = students.map(({ phase, steps, loss, evaluation }) => {
    const held = evaluation ? `, held-out ${evaluation.loss.toFixed(5)}` : "";
    return `  ${phase.name.padEnd(12)} ${steps} updates, loss ${loss.toPrecision(4)}${held}`;
  });
  return [`${model}: a student of ${students.at(-1)!.phase.samples} steps`, ...lines].join("\n");
}
