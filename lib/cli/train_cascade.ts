/** `train` of a whole cascade, stage by stage. */
import type { trainable } from "../models/index.js";
import { parseCascadeRecipe, runCascadeRecipe, type TrainedCascade } from "../recipes/index.js";
import { usage } from "./arguments.js";
import { loadOptions } from "./model_args.js";
import type { Output } from "./output.js";
import { evaluationText, TrainingProgress, tellBad } from "./train_progress.js";

/** Options of `train` that mean nothing for a cascade: its stages' recipes have them. */
const OF_STAGES = ["data", "steps", "workers", "model", "seed", "dry-run"] as const;

/** What `train` was told. */
interface Told {
  args: Parameters<typeof loadOptions>[0] & Readonly<Record<string, unknown>>;
  output: Output;
  signal: AbortSignal;
  out: string;
  /** Of `--set`. */
  set: readonly string[];
}

/** Trains it. Throws `USAGE` for options of single stages. */
export async function trainCascade(
  written: object,
  system: (typeof trainable)["imagen-video"],
  { args, output, signal, out, set }: Told,
): Promise<void> {
  const given = OF_STAGES.find((name) => args[name] !== undefined);
  const wrong = given ?? (set.length > 0 ? "set" : undefined);
  if (wrong !== undefined) {
    throw usage(`expected no --${wrong} for a cascade: the recipes of its stages say that`);
  }
  const recipe = parseCascadeRecipe(written);
  let shown: { stage: string; progress: TrainingProgress } | undefined;
  try {
    const trained = await runCascadeRecipe(recipe, system, {
      ...{ out, signal, resume: args.resume === true, load: loadOptions(args, signal) },
      onBad: tellBad(output),
      onMetrics: (stage, metrics, steps) => {
        if (shown?.stage !== stage) {
          shown?.progress.stop();
          output.log(`stage ${stage}`);
          shown = { stage, progress: new TrainingProgress(output, steps) };
        }
        shown.progress.tell(metrics, { stage });
      },
    });
    shown?.progress.stop();
    output.result(trained, describe(trained));
  } finally {
    shown?.progress.stop();
  }
}

function describe({ model, stages }: TrainedCascade): string {
  const lines = Object.entries(stages).map(([name, { parameters, steps, evaluation }]) => {
    const held = evaluation ? `, held-out ${evaluationText(evaluation)}` : "";
    const count = parameters.toLocaleString("en-US");
    return `  ${name.padEnd(8)} ${count} parameters, ${steps} steps${held}`;
  });
  return [`${model}: a cascade of ${lines.length} stages`, ...lines].join("\n");
}
