/** An experiment at several widths, once for each seed. */
import type { Chart } from "../../chart/index.js";
import type { ClaimContext, Seeded } from "../claim.js";
import { interval } from "../statistics.js";

/** What was measured at each width for each seed. */
export class Sweep {
  constructor(
    readonly widths: readonly number[],
    readonly seeds: readonly number[],
    /** By seed, then by width. */
    readonly values: readonly (readonly number[])[],
  ) {}

  /** Of one seed, against the logarithm of the width. */
  of(seed: number): [x: number, y: number][] {
    const row = this.values[this.seeds.indexOf(seed)]!;
    return this.widths.map((width, at) => [Math.log2(width), row[at]!]);
  }

  /** The mean of all seeds against the width. */
  chart(title: string, label: string): Chart {
    const points = this.widths.map((x, at) => ({ x, ...this.#over(at) }));
    return {
      title,
      x: { label: "width", scale: "log" },
      y: { label },
      series: [{ name: label, kind: "both", points }],
    };
  }

  /** A sentence for each width. */
  notes(what: string): string[] {
    return this.widths.map((width, at) => {
      const row = this.values.map((values) => values[at]!.toFixed(3));
      return `Width ${width}: ${what} ${row.join(", ")}.`;
    });
  }

  #over(at: number) {
    const { mean, low, high } = interval(this.values.map((row) => row[at]!));
    return Number.isFinite(low) ? { y: mean, low, high } : { y: mean };
  }
}

/** Calls `measure` for each width and seed; progress counts what a width costs as its square. */
export async function alongWidths(
  { widths, seeds }: Seeded & { widths: readonly number[] },
  { signal, onProgress }: ClaimContext,
  measure: (width: number, seed: number) => Promise<number>,
): Promise<Sweep> {
  const work = seeds.length * widths.reduce((sum, width) => sum + width ** 2, 0);
  let done = 0;
  const values: number[][] = [];
  for (const seed of seeds) {
    const row: number[] = [];
    for (const width of widths) {
      signal.throwIfAborted();
      onProgress(done / work, `width ${width}, seed ${seed}`);
      row.push(await measure(width, seed));
      done += width ** 2;
    }
    values.push(row);
  }
  return new Sweep(widths, seeds, values);
}
