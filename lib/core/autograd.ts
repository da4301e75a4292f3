import type { NativeValue, TensorId } from "../native/addon.js";
import { disposable } from "./disposable.js";
import { invalidArgument } from "./errors.js";
import type { Job, JobControl } from "./job.js";
import { startJob } from "./jobs.js";
import { native } from "./runtime.js";
import { Tensor, tensorId, wrapTensor } from "./tensor.js";

/** How gradients are computed. */
export interface BackwardOptions extends JobControl {
  /** Gradient with respect to each output; needed where an output is not a scalar. */
  gradient?: Tensor | readonly (Tensor | null)[];
  /** Keeps the record for another pass. Default: `createGraph`. */
  retainGraph?: boolean;
  /** Records the gradients' own computation, for higher derivatives. Default false. */
  createGraph?: boolean;
}

/** How {@link grad} computes gradients. */
export interface GradOptions extends BackwardOptions {
  /**
   * Gives null for inputs that the outputs do not depend on, rather than failing. Default false.
   */
  allowUnused?: boolean;
}

/**
 * Adds the gradients of `outputs` to the {@link Tensor.grad} of every leaf that they were made of.
 * It runs as a job; tensors that it needs refuse in-place changes meanwhile.
 *
 * @example
 * ```ts
 * const w = tensor([1, 2, 3], { requiresGrad: true });
 * await w.mul(w).sum().backward();
 * console.log(w.grad); // tensor([2., 4., 6.])
 * ```
 */
export function backward(
  outputs: Tensor | readonly Tensor[],
  options: BackwardOptions = {},
): Job<void> {
  return startJob(
    {
      submit: (control) => {
        const { ids, gradients, retainGraph, createGraph } = prepare(outputs, options);
        return native().submitBackward(ids, gradients, retainGraph, createGraph, control);
      },
      decode: () => undefined,
    },
    options,
  );
}

/**
 * The gradients of `outputs` with respect to `inputs`, which may be any tensors that the outputs
 * were made of. Leaves the {@link Tensor.grad} of all tensors alone.
 *
 * @example
 * ```ts
 * const [dx] = await grad(x.pow(3).sum(), [x]);
 * ```
 */
export function grad(
  outputs: Tensor | readonly Tensor[],
  inputs: readonly Tensor[],
  options: GradOptions & { allowUnused: true },
): Job<(Tensor | null)[]>;
export function grad(
  outputs: Tensor | readonly Tensor[],
  inputs: readonly Tensor[],
  options?: GradOptions,
): Job<Tensor[]>;
export function grad(
  outputs: Tensor | readonly Tensor[],
  inputs: readonly Tensor[],
  options: GradOptions = {},
): Job<(Tensor | null)[]> {
  return startJob(
    {
      submit: (control) => {
        const { ids, gradients, retainGraph, createGraph } = prepare(outputs, options);
        const { allowUnused = false } = options;
        const wanted = inputs.map((input, at) => idOf(input, `inputs[${at}]`));
        return native().submitGrad(
          ids,
          gradients,
          wanted,
          retainGraph,
          createGraph,
          allowUnused,
          control,
        );
      },
      decode: (value: NativeValue) =>
        disposable(
          (value as (TensorId | null)[]).map((id) => (id === null ? null : wrapTensor(id))),
        ),
    },
    options,
  );
}

function prepare(outputs: Tensor | readonly Tensor[], options: BackwardOptions) {
  const list = outputs instanceof Tensor ? [outputs] : outputs;
  if (!Array.isArray(list)) throw invalidArgument("outputs", "a tensor or an array of them", list);
  const { gradient, createGraph = false, retainGraph = createGraph } = options;
  const given = gradient === undefined || gradient instanceof Tensor ? [gradient] : gradient;
  if (gradient !== undefined && given.length !== list.length) {
    throw invalidArgument("gradient", `${list.length} gradients, one for each output`, given);
  }
  return {
    ids: list.map((output, at) => idOf(output, `outputs[${at}]`)),
    gradients: list.map((_, at) => (given[at] ? idOf(given[at], `gradient[${at}]`) : null)),
    retainGraph,
    createGraph,
  };
}

function idOf(value: unknown, name: string): TensorId {
  if (value instanceof Tensor) return tensorId(value);
  throw invalidArgument(name, "a tensor", value);
}
