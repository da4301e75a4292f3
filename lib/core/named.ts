/** Tensors by name, the inputs and outputs of every method, as they cross to the native side. */
import type { TensorId } from "../native/addon.js";
import { disposable } from "./disposable.js";
import { invalidArgument } from "./errors.js";
import { Tensor, tensorId, wrapTensor } from "./tensor.js";

/** Tensors by name, freed together by `using` or `[Symbol.dispose]()`. */
export type NamedTensors = Record<string, Tensor> & Disposable;

/** Names and handles of inputs. Entries of `undefined` are left out. */
export function idsOf(tensors: Record<string, Tensor | undefined>): [string, TensorId][] {
  const named: [string, TensorId][] = [];
  for (const [name, tensor] of Object.entries(tensors)) {
    if (tensor === undefined) continue;
    if (!(tensor instanceof Tensor)) throw invalidArgument(name, "a Tensor", tensor);
    named.push([name, tensorId(tensor)]);
  }
  return named;
}

/** What came back, as tensors that the caller owns. */
export function namedTensors(named: [string, TensorId][]): NamedTensors {
  return disposable(Object.fromEntries(named.map(([name, id]) => [name, wrapTensor(id)])));
}
