/**
 * Load-plan steps on arrays whose elements are labels instead of numbers, so that a test can say
 * where every single element of a checkpoint ends up.
 */
import { elements, type PlanStep, shapeAfter } from "../../lib/core/plan.js";

/** Each element holds the labels that were added up in it. */
export interface LabelArray {
  shape: number[];
  data: string[][];
}

/** An array whose elements are labelled `NAME:POSITION`. */
export function labelled(name: string, shape: readonly number[]): LabelArray {
  const data = Array.from({ length: elements(shape) }, (_, index) => [`${name}:${index}`]);
  return { shape: [...shape], data };
}

/** Runs steps as the native core does. */
export function runSteps(steps: readonly PlanStep[], sources: readonly LabelArray[]): LabelArray {
  let list = [...sources];
  for (const step of steps) {
    if (step.kind === "add") list = [addUp(list)];
    else if (step.kind === "concat") list = [join(list, step.dim)];
    else if (step.kind === "stack") {
      list = [
        join(
          list.map((one) => unsqueeze(one, step.dim)),
          step.dim,
        ),
      ];
    } else list = list.map((one) => gather(one, step));
  }
  if (list.length !== 1) throw new Error(`${list.length} arrays are left`);
  return list[0]!;
}

function addUp(list: LabelArray[]): LabelArray {
  const [first, ...rest] = list;
  const data = first!.data.map((labels, i) => [...labels, ...rest.flatMap((one) => one.data[i]!)]);
  return { shape: first!.shape, data };
}

function unsqueeze(array: LabelArray, dim: number): LabelArray {
  return { shape: array.shape.toSpliced(dim, 0, 1), data: array.data };
}

function join(list: LabelArray[], dim: number): LabelArray {
  const shape = shapeAfter(
    [{ kind: "concat", dim }],
    list.map((one) => one.shape),
  );
  const data = positions(shape).map((position) => {
    let index = position[dim]!;
    const part = list.find((one) => {
      if (index < one.shape[dim]!) return true;
      index -= one.shape[dim]!;
      return false;
    })!;
    return part.data[flat(part.shape, position.with(dim, index))]!;
  });
  return { shape, data };
}

type SingleStep = Exclude<PlanStep, { kind: "add" | "concat" | "stack" }>;

/** Steps that move elements: where each element of the result comes from. */
function gather(array: LabelArray, step: SingleStep): LabelArray {
  const shape = shapeAfter([step], [array.shape]);
  if (step.kind === "reshape") return { shape, data: array.data };
  const from = (position: number[]): number[] => {
    switch (step.kind) {
      case "slice":
        return position.with(step.dim, position[step.dim]! + step.begin);
      case "select":
        return position.toSpliced(step.dim, 0, step.begin);
      case "transpose":
        return position.with(step.dim, position[step.begin]!).with(step.begin, position[step.dim]!);
      case "permute":
        return array.shape.map((_, dim) => position[step.shape.indexOf(dim)]!);
    }
  };
  const data = positions(shape).map((position) => array.data[flat(array.shape, from(position))]!);
  return { shape, data };
}

/** Every position of an array in row-major order. */
function positions(shape: readonly number[]): number[][] {
  return Array.from({ length: elements(shape) }, (_, index) => {
    let rest = index;
    return shape
      .toReversed()
      .map((size) => {
        const at = rest % size;
        rest = Math.floor(rest / size);
        return at;
      })
      .reverse();
  });
}

/** Row-major offset of a position. */
export function flat(shape: readonly number[], position: readonly number[]): number {
  return position.reduce((offset, at, dim) => offset * shape[dim]! + at, 0);
}
