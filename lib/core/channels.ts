/**
 * The two channels of a job: progress, of which only the latest value counts, and the stream, of
 * which every item does.
 */

/** A lossy channel: listeners and iterators see the latest value. */
export class Latest<P> {
  readonly #listeners = new Set<(value: P) => void>();
  readonly #readers = new Set<() => void>();
  #last: P | undefined;
  #count = 0;
  #ended = false;

  push(value: P): void {
    this.#last = value;
    this.#count += 1;
    for (const listener of this.#listeners) contain(listener, value);
    this.#wake();
  }

  end(): void {
    this.#ended = true;
    this.#listeners.clear();
    this.#wake();
  }

  listen(listener: (value: P) => void): () => void {
    if (!this.#ended) this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async *iterate(): AsyncIterableIterator<P> {
    for (let seen = 0; ; ) {
      if (seen < this.#count) {
        seen = this.#count;
        yield this.#last as P;
      } else if (this.#ended) {
        return;
      } else {
        await new Promise<void>((resolve) => this.#readers.add(resolve));
      }
    }
  }

  #wake(): void {
    for (const wake of this.#readers) wake();
    this.#readers.clear();
  }
}

/** A listener's error must not reach the work it listens to. */
function contain<P>(listener: (value: P) => void, value: P): void {
  try {
    listener(value);
  } catch (error) {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    process.emitWarning(`a progress listener threw: ${text}`, "TorchsightWarning");
  }
}

interface Item<S> {
  readonly value: S;
  /** Tells the job that it may go on. */
  readonly taken: () => void;
}

/** A lossless channel with one reader: an item counts as taken once the reader has it. */
export class Stream<S> {
  readonly #left: () => void;
  readonly #items: Item<S>[] = [];
  #wake: (() => void) | undefined;
  #read = false;
  #dropping = false;
  #ended = false;
  #error: Error | undefined;

  /** @param left - called when the reader leaves before the end */
  constructor(left: () => void) {
    this.#left = left;
  }

  /** @param unread - whether nobody will read, so that a stream without a reader drops its items */
  push(value: S, taken: () => void, unread: boolean): void {
    if (this.#dropping || (unread && !this.#read)) {
      drop({ value, taken });
      return;
    }
    this.#items.push({ value, taken });
    this.#wake?.();
  }

  /** Lets a job that is only awaited run on: items that nobody reads are dropped. */
  dropUnlessRead(): void {
    if (this.#items.length === 0) return;
    // A program may await first and read second, within one turn of the event loop.
    setImmediate(() => {
      if (!this.#read) for (const item of this.#items.splice(0)) drop(item);
    });
  }

  end(error?: Error): void {
    this.#ended = true;
    this.#error = error;
    this.#wake?.();
  }

  async *iterate(): AsyncIterableIterator<S> {
    this.#read = true;
    let finished = false;
    try {
      for (;;) {
        const item = this.#items.shift();
        if (item !== undefined) {
          item.taken();
          yield item.value;
        } else if (this.#ended) {
          finished = true;
          if (this.#error !== undefined) throw this.#error;
          return;
        } else {
          await new Promise<void>((resolve) => {
            this.#wake = resolve;
          });
        }
      }
    } finally {
      if (!finished) {
        this.#dropping = true;
        for (const item of this.#items.splice(0)) drop(item);
        this.#left();
      }
    }
  }
}

function drop<S>(item: Item<S>): void {
  const { value } = item;
  if (typeof value === "object" && value !== null) {
    (value as { [Symbol.dispose]?: () => void })[Symbol.dispose]?.();
  }
  item.taken();
}
