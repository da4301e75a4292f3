/** The curves of a run: loss and how good the model is, against steps. */
import type { Chart, Figure, Point, Series } from "../chart/index.js";
import type { Step } from "../train/index.js";
import { isEvaluation, type Metrics } from "./metrics.js";

/** Points of a curve at most; each stands for as many steps as it takes. */
const POINTS = 300;

/** Losses that lie further apart than this are drawn on a logarithmic axis. */
const FAR = 20;

/** What a run is drawn as. */
export function curveOf(title: string, metrics: readonly Metrics[]): Figure {
  const steps = metrics.flatMap((one) => (isEvaluation(one) ? [] : [one]));
  const evaluations = metrics.filter(isEvaluation);
  const held = (name: "loss" | "meanAveragePrecision" | "accuracy"): Point[] =>
    evaluations.flatMap(({ step, evaluation }) => {
      const y = evaluation[name];
      return y === undefined ? [] : [{ x: step + 1, y }];
    });
  const training = { name: "training", points: thinned(steps) };
  const losses: Series[] = [training];
  const evaluated = held("loss");
  if (evaluated.length > 0) losses.push({ name: "held-out", points: evaluated, kind: "both" });
  const last = Math.max(1, ...metrics.slice(-2).map(({ step }) => step + 1));
  const x = { label: "step", range: [0, last] as const };
  const charts: Chart[] = [
    { title, x, y: { label: "loss", scale: scaleOf(losses) }, series: losses },
  ];
  for (const [name, label] of [
    ["meanAveragePrecision", "mean average precision"],
    ["accuracy", "accuracy"],
  ] as const) {
    const points = held(name);
    if (points.length === 0) continue;
    const y = { label, range: [0, 1] as const };
    charts.push({ title: `Held-out ${label}`, x, y, series: [{ name, points, kind: "both" }] });
  }
  return { charts };
}

/** Means over steps in a row, with the least and the greatest of them. */
function thinned(steps: readonly Pick<Step, "step" | "loss">[]): Point[] {
  const size = Math.ceil(steps.length / POINTS);
  const parts = Array.from({ length: Math.ceil(steps.length / (size || 1)) }, (_, part) =>
    steps.slice(part * size, (part + 1) * size),
  );
  return parts.map((part) => {
    const losses = part.map(({ loss }) => loss);
    const y = losses.reduce((sum, loss) => sum + loss, 0) / losses.length;
    const ends = size > 1 ? { low: Math.min(...losses), high: Math.max(...losses) } : {};
    return { x: part.at(-1)!.step + 1, y, ...ends };
  });
}

function scaleOf(series: readonly Series[]): "linear" | "log" {
  const values = series.flatMap(({ points }) => points.map(({ y }) => y));
  const [least, most] = [Math.min(...values), Math.max(...values)];
  return least > 0 && most / least > FAR ? "log" : "linear";
}
