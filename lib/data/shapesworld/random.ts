import { philox, type Words } from "./philox.js";

const WORD = 2 ** 32;

/**
 * What a sequence of random numbers is for. Each clip has one of its own for each purpose, so that
 * an option that changes one, such as the number of captions, leaves all others as they are.
 */
export const STREAMS = {
  size: 0,
  scene: 1,
  placement: 2,
  ground: 3,
  captions: 4,
  questions: 5,
  keyframes: 6,
  holdOut: 7,
  texture: 8,
  /** The grain of frame t is stream `grain + t`. */
  grain: 1024,
} as const;

/**
 * Random numbers of one purpose in one clip: Philox under the seed as key, counted by the block,
 * the purpose, and the clip's index. The same on every platform and in any order of clips.
 */
export class Random {
  readonly #key: readonly [number, number];
  readonly #place: readonly [number, number, number];
  readonly #words: Words = [0, 0, 0, 0];
  #block = 0;
  #used = 4;

  /** `seed` and `index` are whole numbers from 0 up to 2^53 - 1. */
  constructor(seed: number, index: number, stream: number) {
    this.#key = halves(seed);
    this.#place = [stream, ...halves(index)];
  }

  /** 0 to 2^32 - 1. */
  word(): number {
    if (this.#used === 4) this.#refill();
    return this.#words[this.#used++]!;
  }

  /** A whole number from 0 up to but not including `count`, which is below 2^21. */
  below(count: number): number {
    return Math.floor((this.word() * count) / WORD);
  }

  /** A whole number from `least` to `most`. */
  between(least: number, most: number): number {
    return least + this.below(most - least + 1);
  }

  /** A number from `least` up to but not including `most`. */
  real(least: number, most: number): number {
    return least + ((most - least) * this.word()) / WORD;
  }

  chance(probability: number): boolean {
    return this.word() < probability * WORD;
  }

  /** -1 or 1. */
  sign(): number {
    return this.below(2) * 2 - 1;
  }

  pick<T>(values: readonly T[]): T {
    return values[this.below(values.length)]!;
  }

  /** An index by whole weights, of which `sums` are the running sums, below 2^53. */
  weighted(sums: Float64Array): number {
    const total = sums.at(-1)!;
    const high = this.word();
    // 53 bits, as many as a double holds: a word alone would leave out rare ones.
    const place = ((high * 2 ** 21 + (this.word() >>> 11)) / 2 ** 53) * total;
    let [low, above] = [0, sums.length - 1];
    while (low < above) {
      const middle = (low + above) >> 1;
      if (sums[middle]! > place) above = middle;
      else low = middle + 1;
    }
    return low;
  }

  shuffled<T>(values: readonly T[]): T[] {
    const result = [...values];
    for (let last = result.length - 1; last > 0; last -= 1) {
      const other = this.below(last + 1);
      [result[last], result[other]] = [result[other]!, result[last]!];
    }
    return result;
  }

  #refill(): void {
    const [stream, low, high] = this.#place;
    this.#words[0] = this.#block;
    this.#words[1] = stream;
    this.#words[2] = low;
    this.#words[3] = high;
    philox(this.#words, this.#key);
    this.#block += 1;
    this.#used = 0;
  }
}

function halves(value: number): [low: number, high: number] {
  return [value % WORD, Math.floor(value / WORD)];
}
