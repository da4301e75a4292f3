/** Students of a stage that need fewer evaluations: of guidance, then of ever fewer steps. */
import { cpSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { readConfig } from "../../core/checkpoint.js";
import { objectOf } from "../../core/config.js";
import { invalidArgument, TorchsightError } from "../../core/errors.js";
import { latestCheckpoint } from "../../train/index.js";
import { RunFolder } from "../folder.js";
import type { Finished } from "../loop.js";
import type { Metrics } from "../metrics.js";
import { parseRecipe, type Recipe } from "../recipe.js";
import type { RunOptions } from "../run.js";
import type { TrainableStages } from "../trainable.js";
import { replaceFolder } from "../whole.js";
import { runStageRecipe } from "./run.js";

/** What a stage is distilled to, and how. */
export interface DistillOptions extends Omit<RunOptions, "onMetrics" | "steps"> {
  /** The folder of the stage to learn from. */
  model: string;
  /** Steps that its samples are taken in. */
  from: number;
  /** Steps of the last student; `from` over it is a power of 2. */
  to: number;
  /** Updates of each student. Default: those of the recipe. */
  steps?: number | undefined;
  /** Told of each step of each student. */
  onMetrics?: ((phase: Phase, metrics: Metrics) => void) | undefined;
}

/** One student. */
export interface Phase {
  /** Its folder: `guidance`, or `steps-32`. */
  name: string;
  learns: "guidance" | "progressive";
  /** Steps that its samples are taken in. */
  samples: number;
}

/** What came of it. */
export interface Student extends Finished {
  phase: Phase;
}

/** What came of distillation. */
export interface Distilled {
  /** The folder of the last student. */
  model: string;
  /** What came of each. */
  students: Student[];
}

/** What is told about a student beside its weights, in the folder of its model. */
const NOTE = "distilled.json";
/** What a stage was trained by, there. */
const RECIPE = "recipe.json";

/** Updates of a student, and their highest rate, where nobody says otherwise. */
const UPDATES = 1000;
const PEAK = 3e-4;

/**
 * A recipe for the students of a stage: what it was trained on itself, without averages, at a rate
 * that falls to nothing. Throws `NOT_FOUND` where its folder has no recipe.
 */
export function recipeOfStage(model: string): Record<string, unknown> {
  const file = join(model, RECIPE);
  if (!existsSync(file)) {
    const message = `there is no ${RECIPE} in ${model}, so a recipe has to be named`;
    throw new TorchsightError("NOT_FOUND", message);
  }
  const recipe = objectOf(readConfig(model, RECIPE), file);
  const { ema: _, ...trainer } = objectOf(recipe.trainer, "trainer");
  return {
    ...recipe,
    steps: UPDATES,
    trainer: { ...trainer, schedule: { kind: "linear", peak: PEAK } },
  };
}

/**
 * The students between a stage and the last one, in order. A stage that does not take the weight of
 * guidance learns that first. Throws `BAD_INPUT` for numbers that halving does not lead to.
 */
export function phasesOf(from: number, to: number, guided: boolean): Phase[] {
  const halvings = Math.log2(from / to);
  if (!(Number.isInteger(halvings) && halvings >= 0 && Number.isInteger(to) && to >= 1)) {
    throw invalidArgument("from and to", "whole numbers, one a power of 2 times the other", [
      from,
      to,
    ]);
  }
  const halved = Array.from({ length: halvings }, (_, at): Phase => {
    const samples = from / 2 ** (at + 1);
    return { name: `steps-${samples}`, learns: "progressive", samples };
  });
  const guidance: Phase = { name: "guidance", learns: "guidance", samples: from };
  return guided ? halved : [guidance, ...halved];
}

/**
 * Distils a stage (Meng et al., arXiv 2210.03142; Salimans and Ho, arXiv 2202.00512): each student
 * begins as its teacher and is a run in a folder of its own within `out`. The recipe says what they
 * see and how they are trained; what it says of `model`, `init` and the loss is replaced. With
 * `resume` students that are done are left as they are. Rejects as `runStageRecipe`.
 */
export async function distill<Config extends object>(
  recipe: Recipe,
  system: TrainableStages<Config>,
  options: DistillOptions,
): Promise<Distilled> {
  const {
    model,
    from,
    to,
    out,
    resume = false,
    steps = recipe.steps,
    onMetrics,
    ...rest
  } = options;
  const guided = system.takesGuidance(system.parseConfig(readConfig(model)));
  const phases = phasesOf(from, to, guided);
  if (phases.length === 0) throw invalidArgument("to", `fewer steps than ${from}`, to);
  const students: Distilled["students"] = [];
  let teacher = model;
  for (const phase of phases) {
    const folder = new RunFolder(join(out, phase.name));
    const note = join(folder.model, NOTE);
    if (resume && existsSync(note)) {
      students.push(JSON.parse(readFileSync(note, "utf8")) as Student);
    } else {
      const finished = await runStageRecipe(studentOf(recipe, teacher, phase, steps), system, {
        ...rest,
        out: folder.path,
        resume: resume && latestCheckpoint(folder.path) !== undefined,
        onMetrics: (metrics) => onMetrics?.(phase, metrics),
      });
      students.push({ phase, ...finished });
      writeFileSync(note, `${JSON.stringify(students.at(-1), null, 2)}\n`);
    }
    teacher = folder.model;
  }
  const last = await replaceFolder(join(out, "model"), (fresh) => {
    cpSync(teacher, fresh, { recursive: true });
  });
  return { model: last, students };
}

/** The recipe of a student: a run that goes on from its teacher. */
function studentOf(recipe: Recipe, teacher: string, phase: Phase, steps: number): Recipe {
  const { model: _, trainer, ...kept } = recipe;
  const { diffusion, schedule = {} } = trainer;
  const { learns: loss, samples } = phase;
  return parseRecipe({
    ...kept,
    init: teacher,
    steps,
    trainer: {
      ...trainer,
      loss,
      schedule: { ...schedule, steps },
      diffusion: {
        ...diffusion,
        // Students of guidance are told its weight, and are never asked without a text.
        text_dropout: 0,
        ...(loss === "progressive" && { steps: samples }),
      },
    },
  });
}
