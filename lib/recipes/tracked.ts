import type { Batch, Loader } from "../train/index.js";
import { resumable } from "../train/loader.js";

/**
 * A loader that is where the steps are. A loader by itself is past a batch as soon as it has given
 * it, but a step that is interrupted has not used its batch: the next run must see it again.
 */
export class Tracked implements Loader {
  readonly #loader: Loader;
  #cursor: unknown;

  constructor(loader: Loader) {
    this.#loader = loader;
    this.settle();
  }

  /** Says that what was given has been used. */
  settle(): void {
    if (resumable(this.#loader)) this.#cursor = this.#loader.cursor();
  }

  cursor(): unknown {
    return this.#cursor;
  }

  seek(cursor: unknown): void {
    this.#loader.seek?.(cursor);
    this.settle();
  }

  [Symbol.asyncIterator](): AsyncIterator<Batch> {
    return this.#loader[Symbol.asyncIterator]();
  }
}
