/** Where batches come from. */
import type { Tensor } from "../core/tensor.js";

/** Tensors by the names that the trainer's step declares. The trainer disposes of them. */
export type Batch = Record<string, Tensor>;

/**
 * Batches in order, each taken once. With {@link cursor} and {@link seek} a run can be taken up
 * again where it was: both speak of the next batch, in JSON.
 */
export interface Loader extends AsyncIterable<Batch> {
  cursor?(): unknown;
  seek?(cursor: unknown): void;
}

/** Whether a run over it can be taken up again. */
export function resumable(loader: Loader): loader is Loader & Required<Pick<Loader, "cursor">> {
  return typeof loader.cursor === "function" && typeof loader.seek === "function";
}
