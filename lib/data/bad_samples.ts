/** Samples that cannot be used, and how many may be. */
import { TorchsightError } from "../core/errors.js";
import type { BadSample } from "./producer.js";

/** How many an error names. */
const NAMED = 5;

/** What was bad so far, each sample once. */
export class BadSamples {
  readonly #found = new Map<number, BadSample | undefined>();

  constructor(
    readonly most: number,
    readonly told: (bad: BadSample) => void = warn,
  ) {}

  get indices(): readonly number[] {
    return [...this.#found.keys()];
  }

  /** Those that another loader has told of. */
  restore(indices: readonly number[]): void {
    this.#found.clear();
    for (const index of indices) this.#found.set(index, undefined);
  }

  /** Tells of new ones. Throws `BAD_INPUT` where they are too many. */
  note(bad: readonly BadSample[]): void {
    for (const one of bad) {
      if (this.#found.has(one.index)) continue;
      this.#found.set(one.index, one);
      if (this.#found.size > this.most) throw this.error();
      this.told(one);
    }
  }

  /** The error where none is left to take the place of a bad one, or where they are too many. */
  error(): TorchsightError {
    const all = [...this.#found];
    const named = all.slice(-NAMED).map(([index, bad]) => {
      return bad ? `${bad.name}: ${bad.message}` : `sample ${index}`;
    });
    const others = all.length > NAMED ? `; and ${all.length - NAMED} before` : "";
    const expected = all.length > this.most ? `at most ${this.most} bad samples` : "good samples";
    const message = `expected ${expected} but found ${all.length} that cannot be used: `;
    return new TorchsightError("BAD_INPUT", `${message}${named.join("; ")}${others}`);
  }
}

function warn({ name, message }: BadSample): void {
  process.emitWarning(`a bad sample was left out: ${name}: ${message}`);
}
