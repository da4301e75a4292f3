import { keep, own } from "./scope.js";
import { Tensor } from "./tensor.js";

/**
 * An object that holds tensors and frees them as a whole. Like a tensor, it belongs to the `tidy`
 * scope that it is made in.
 */
export abstract class Held<T extends { [K in keyof T]?: Tensor | undefined }> {
  /** The tensors by name. They stay this object's. */
  readonly tensors: Readonly<T>;

  constructor(tensors: T) {
    this.tensors = tensors;
    for (const tensor of this.#all()) keep(tensor);
    own(this);
  }

  /** Frees the tensors. Calling it twice is fine. */
  dispose(): void {
    for (const tensor of this.#all()) tensor.dispose();
  }

  /** As {@link dispose}, for `using`. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  #all(): Tensor[] {
    return Object.values(this.tensors).filter((value) => value instanceof Tensor);
  }
}
