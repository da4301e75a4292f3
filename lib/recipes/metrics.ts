/** What a run tells of itself, a line of JSON for each step and each evaluation. */
import { closeSync, existsSync, openSync, readFileSync, writeSync } from "node:fs";
import { TorchsightError } from "../core/errors.js";
import type { Step } from "../train/index.js";
import { replaceFile } from "./whole.js";

/** How good a model is on samples that it was not trained on. */
export interface Evaluation {
  /** Held-out samples that were looked at. */
  samples: number;
  /** Their mean loss. */
  loss: number;
  /** The mean of all labels' average precision; not where the loss is softmax. */
  meanAveragePrecision?: number;
  /** Where samples have one label: the share of those whose best label is right. */
  accuracy?: number;
}

/** One line: a step, or the evaluation after it. */
export type Metrics = Step | { step: number; evaluation: Evaluation };

/** The file that a run's lines are written to, each of them at once. */
export class MetricsFile implements Disposable {
  readonly #file: number;

  /** Goes on after the lines of `steps` steps; what lies beyond them is cut off. */
  constructor(
    readonly path: string,
    steps: number,
  ) {
    const kept = readMetrics(path).filter(({ step }) => step < steps);
    replaceFile(path, kept.map(lineOf).join(""));
    this.#file = openSync(path, "a");
  }

  add(metrics: Metrics): void {
    writeSync(this.#file, lineOf(metrics));
  }

  [Symbol.dispose](): void {
    closeSync(this.#file);
  }
}

/**
 * All lines of a file; none where there is no file. A last line that was cut short is left out.
 * Throws `BAD_CHECKPOINT` for lines that are none.
 */
export function readMetrics(path: string): Metrics[] {
  if (!existsSync(path)) return [];
  const lines = readFileSync(path, "utf8").split("\n").slice(0, -1);
  try {
    return lines.map((line) => JSON.parse(line) as Metrics);
  } catch (cause) {
    const message = `${path}: expected JSON in each line: ${(cause as Error).message}`;
    throw new TorchsightError("BAD_CHECKPOINT", message, { cause });
  }
}

/** Whether a line tells of an evaluation. */
export function isEvaluation(metrics: Metrics): metrics is Exclude<Metrics, Step> {
  return "evaluation" in metrics;
}

function lineOf(metrics: Metrics): string {
  return `${JSON.stringify(metrics)}\n`;
}
