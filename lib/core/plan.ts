/**
 * Load plans: loading as data. A name table is resolved into one flat plan, which the native core
 * executes parameter by parameter (`native/runtime/load_plan.h`).
 */
import { TorchsightError } from "./errors.js";

/**
 * One step from the tensors of a checkpoint to a parameter. A step maps a list of tensors to a
 * list; `concat`, `stack` and `add` make one of many, all others act on each tensor of the list.
 */
export type PlanStep =
  | { kind: "slice"; dim: number; begin: number; end: number }
  | { kind: "select"; dim: number; begin: number }
  | { kind: "transpose"; dim: number; begin: number }
  | { kind: "permute"; shape: number[] }
  | { kind: "reshape"; shape: number[] }
  | { kind: "concat"; dim: number }
  | { kind: "stack"; dim: number }
  | { kind: "add" };

/** A step of a name table: a plan's step, or `unstack`, which selects the layer's own index. */
export type TableStep = PlanStep | { kind: "unstack"; dim: number };

/** Keeps `[begin, end)` of dimension `dim`. */
export const slice = (dim: number, begin: number, end: number): PlanStep => ({
  kind: "slice",
  dim,
  begin,
  end,
});
/** Swaps two dimensions. */
export const transpose = (first: number, second: number): PlanStep => ({
  kind: "transpose",
  dim: first,
  begin: second,
});
/** Reorders the dimensions: dimension `i` of the result is dimension `order[i]` of the source. */
export const permute = (...order: number[]): PlanStep => ({ kind: "permute", shape: order });
/** Gives the same elements another shape. */
export const reshape = (...shape: number[]): PlanStep => ({ kind: "reshape", shape });
/** Sums all tensors of the list. */
export const add: PlanStep = { kind: "add" };
/** Takes layer `{}`'s entry of a dimension that runs over the layers. */
export const unstack = (dim: number): TableStep => ({ kind: "unstack", dim });

/** A tensor of one file, or of several that hold its pieces in order along `dim`. */
export type PlanSource =
  | { tensor: string; file: string }
  | { tensor: string; files: string[]; dim: number };

/** How one parameter of a module is made. */
export interface PlanEntry {
  target: string;
  sources: PlanSource[];
  steps: PlanStep[];
}

/** What the native core executes. */
export interface LoadPlan {
  entries: PlanEntry[];
}

/**
 * The shape that `steps` make of tensors of `shapes`. Throws `BAD_CHECKPOINT` where a step does not
 * fit, so that a wrong file is refused before anything of it is read.
 */
export function shapeAfter(steps: readonly PlanStep[], shapes: readonly number[][]): number[] {
  let list = shapes.map((shape) => [...shape]);
  for (const step of steps) list = applyToShapes(step, list);
  if (list.length !== 1) throw misfit(`${list.length} tensors are left where one must be`);
  return list[0]!;
}

function applyToShapes(step: PlanStep, list: number[][]): number[][] {
  switch (step.kind) {
    case "concat": {
      const first = list[0] ?? [];
      requireDims(first, step.dim);
      const joined = [...first];
      joined[step.dim] = list.reduce((sum, shape) => sum + (shape[step.dim] ?? 0), 0);
      return [joined];
    }
    case "stack":
      return [(list[0] ?? []).toSpliced(step.dim, 0, list.length)];
    case "add":
      if (list.some((shape) => !sameShape(shape, list[0]!))) {
        throw misfit(`tensors of shapes ${list.map(formatShape).join(" and ")} cannot be added`);
      }
      return [list[0]!];
    default:
      return list.map((shape) => applyToShape(step, shape));
  }
}

type SingleStep = Exclude<PlanStep, { kind: "concat" | "stack" | "add" }>;

function applyToShape(step: SingleStep, shape: number[]): number[] {
  switch (step.kind) {
    case "slice":
      requireDims(shape, step.dim);
      if (step.end > shape[step.dim]! || step.begin > step.end) {
        throw misfit(`[${step.begin}, ${step.end}) is not within ${formatShape(shape)}`);
      }
      return shape.with(step.dim, step.end - step.begin);
    case "select":
      requireDims(shape, step.dim);
      if (step.begin >= shape[step.dim]!) {
        throw misfit(
          `there is no entry ${step.begin} in dimension ${step.dim} of ${formatShape(shape)}`,
        );
      }
      return shape.toSpliced(step.dim, 1);
    case "transpose":
      requireDims(shape, Math.max(step.dim, step.begin));
      return shape.with(step.dim, shape[step.begin]!).with(step.begin, shape[step.dim]!);
    case "permute":
      requireDims(shape, step.shape.length - 1);
      return step.shape.map((dim) => shape[dim]!);
    case "reshape":
      if (elements(shape) !== elements(step.shape)) {
        throw misfit(`${formatShape(shape)} cannot take the shape ${formatShape(step.shape)}`);
      }
      return [...step.shape];
  }
}

/** `[2, 3]` */
export function formatShape(shape: readonly number[]): string {
  return `[${shape.join(", ")}]`;
}

export function sameShape(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((size, dim) => size === b[dim]);
}

export function elements(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

function requireDims(shape: number[], dim: number): void {
  if (dim >= shape.length) throw misfit(`there is no dimension ${dim} in ${formatShape(shape)}`);
}

function misfit(message: string): TorchsightError {
  return new TorchsightError("BAD_CHECKPOINT", message);
}
