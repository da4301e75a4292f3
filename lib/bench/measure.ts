/**
 * Timing on machines that drift: everything is a ratio to something measured right beside it.
 */

/** Seconds of one run of some work. */
export type Timed = () => Promise<number>;

/** A median with its 95 % interval by order statistics. */
export interface Estimate {
  median: number;
  low: number;
  high: number;
}

/** Seconds that `work` takes by the wall clock. */
export async function seconds(work: () => unknown): Promise<number> {
  const begin = process.hrtime.bigint();
  await work();
  return Number(process.hrtime.bigint() - begin) / 1e9;
}

/** The best of `tries` runs. */
export function best(work: () => unknown, tries: number): Timed {
  return async () => {
    let shortest = Number.POSITIVE_INFINITY;
    for (let i = 0; i < tries; i++) shortest = Math.min(shortest, await seconds(work));
    return shortest;
  };
}

/** The median of at least one value, with the interval that holds it in 95 % of samples. */
export function estimate(values: readonly number[]): Estimate {
  const sorted = [...values].sort((a, b) => a - b);
  const n = sorted.length;
  const at = (index: number) => sorted[Math.min(n - 1, Math.max(0, index))] as number;
  const median = (at(Math.floor((n - 1) / 2)) + at(Math.ceil((n - 1) / 2))) / 2;
  const reach = (1.96 * Math.sqrt(n)) / 2;
  return {
    median,
    low: at(Math.floor(n / 2 - reach)),
    high: at(Math.ceil(n / 2 + reach)),
  };
}

/** What pairs gave: both medians, and the ratio taken pair by pair. */
export interface Paired {
  ours: Estimate;
  theirs: Estimate;
  /** `theirs / ours`: above 1 where ours is faster. */
  ratio: Estimate;
}

/** Runs two things in turn. */
export async function pairs(ours: Timed, theirs: Timed, count: number): Promise<Paired> {
  const mine: number[] = [];
  const others: number[] = [];
  await ours();
  await theirs();
  for (let i = 0; i < count; i++) {
    mine.push(await ours());
    others.push(await theirs());
  }
  return paired(mine, others);
}

/** What times that were measured in turn give. */
export function paired(ours: readonly number[], theirs: readonly number[]): Paired {
  return {
    ours: estimate(ours),
    theirs: estimate(theirs),
    ratio: estimate(ours.map((time, i) => (theirs[i] as number) / time)),
  };
}

/**
 * Runs `mm`, `model`, `mm`, … and compares the model's rate with that of the two products beside
 * it. Triplets whose products differ by more than 10 % are dropped: the machine changed meanwhile.
 *
 * @param flops - of the model and of the product, as `[model, mm]`
 * @returns seconds of the model, and its share of the product's rate
 */
export async function triplets(
  model: Timed,
  mm: Timed,
  flops: readonly [number, number],
  count: number,
): Promise<{ seconds: Estimate; share: Estimate; kept: number }> {
  const times: number[] = [];
  const shares: number[] = [];
  await model();
  let before = await mm();
  for (let i = 0; i < 3 * count && shares.length < count; i++) {
    const time = await model();
    const after = await mm();
    if (Math.abs(after - before) <= 0.1 * Math.min(before, after)) {
      times.push(time);
      shares.push(flops[0] / time / (flops[1] / ((before + after) / 2)));
    }
    before = after;
  }
  if (shares.length === 0) throw new Error("the machine never held still: no triplet was kept");
  return { seconds: estimate(times), share: estimate(shares), kept: shares.length };
}
