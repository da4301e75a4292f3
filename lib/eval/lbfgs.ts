/** L-BFGS: Nocedal and Wright, "Numerical Optimization", algorithms 7.4 and 3.1. */
import { TorchsightError } from "../core/errors.js";
import { keep, tidy } from "../core/scope.js";
import type { Tensor } from "../core/tensor.js";

/** A smooth function's value and gradient. */
export type Smooth = (
  x: Tensor<"float64">,
) => Promise<{ value: number; gradient: Tensor<"float64"> }>;

/** When the search ends. */
export interface MinimiseOptions {
  maxIterations: number;
  /** The largest entry of the gradient. */
  tolerance: number;
  signal?: AbortSignal;
}

/** Where it ended. */
export interface Minimum {
  x: Tensor<"float64">;
  value: number;
  iterations: number;
}

const HISTORY = 10;
const SUFFICIENT = 1e-4;
const SHORTEST = 1e-12;

interface Pair {
  moved: Tensor<"float64">;
  turned: Tensor<"float64">;
  curvature: number;
}

/** Goes down from `start`, which stays as it is. Everything it makes belongs to the open scope. */
export async function minimise(
  f: Smooth,
  start: Tensor<"float64">,
  { maxIterations, tolerance, signal }: MinimiseOptions,
): Promise<Minimum> {
  const pairs: Pair[] = [];
  try {
    let x = start.clone();
    let { value, gradient } = await f(x);
    for (let iterations = 0; ; iterations++) {
      if (signal?.aborted) {
        const { reason: cause } = signal;
        throw new TorchsightError("CANCELLED", "the search was cancelled", { cause });
      }
      const steepest = Number(gradient.abs().max().item());
      if (steepest <= tolerance || iterations === maxIterations) return { x, value, iterations };
      const next = await tidy(async () => await stepFrom(f, { x, value, gradient }, pairs));
      if (next === undefined) return { x, value, iterations };
      for (const old of [x, gradient]) old.dispose();
      ({ x, value, gradient } = next);
    }
  } finally {
    pairs.forEach(forget);
  }
}

/** The next point, where the line search finds one. Takes the step into `pairs`. */
async function stepFrom(
  f: Smooth,
  at: { x: Tensor<"float64">; value: number; gradient: Tensor<"float64"> },
  pairs: Pair[],
): Promise<{ x: Tensor<"float64">; value: number; gradient: Tensor<"float64"> } | undefined> {
  const way = directionOf(at.gradient, pairs);
  const slope = dot(way, at.gradient);
  // Without a history the gradient says nothing of how far to go.
  const first = pairs.length === 0 ? Math.min(1, 1 / Number(at.gradient.abs().sum().item())) : 1;
  for (let length = first; length > SHORTEST; length /= 2) {
    const x = at.x.add(way.mul(length));
    const { value, gradient } = await f(x);
    if (!(value <= at.value + SUFFICIENT * length * slope)) continue;
    const [moved, turned] = [x.sub(at.x), gradient.sub(at.gradient)];
    const curvature = dot(moved, turned);
    if (curvature > 0) {
      pairs.push({ moved: keep(moved), turned: keep(turned), curvature });
      if (pairs.length > HISTORY) forget(pairs.shift()!);
    }
    return { x, value, gradient };
  }
  return undefined;
}

/** The two loops: minus the inverse Hessian's estimate times the gradient. */
function directionOf(gradient: Tensor<"float64">, pairs: readonly Pair[]): Tensor<"float64"> {
  let way = gradient.neg();
  const shares: number[] = [];
  for (const { moved, turned, curvature } of pairs.toReversed()) {
    const share = dot(moved, way) / curvature;
    shares.unshift(share);
    way = way.sub(turned.mul(share));
  }
  const last = pairs.at(-1);
  if (last) way = way.mul(last.curvature / dot(last.turned, last.turned));
  pairs.forEach(({ moved, turned, curvature }, i) => {
    way = way.add(moved.mul(shares[i]! - dot(turned, way) / curvature));
  });
  return way;
}

function forget({ moved, turned }: Pair): void {
  moved.dispose();
  turned.dispose();
}

function dot(a: Tensor<"float64">, b: Tensor<"float64">): number {
  return Number(a.mul(b).sum().item());
}
