/** Headline claims of papers, tried at laptop scale. */
import type { Chart } from "../chart/index.js";
import { type Interval, interval } from "./statistics.js";

/** What is settled before a claim is tried. */
export interface Protocol<Settings> {
  /** Short and stable, e.g. `qk-norm`. */
  id: string;
  /** What is claimed. */
  statement: string;
  /** Where the paper claims it. */
  source: string;
  /** What is measured, once for each seed. */
  metric: string;
  /** Where the 95 % interval of the metric over the seeds must lie. */
  threshold: { above: number } | { least: number } | { most: number };
  /** Whether models are trained for the claim, or shipped weights are looked at. */
  evidence: "trained here" | "shipped weights" | "no weights";
  settings: Settings;
  /** What differs in a quick run, … */
  quick: Partial<Settings>;
  /** … what such a run shows, and what not, … */
  quickShows: string;
  /** … and whether it can decide: else it leaves the claim open, whatever it finds. */
  quickDecides: boolean;
}

/** Settings that every claim has. */
export interface Seeded {
  seeds: readonly number[];
}

/** What an experiment gives. */
export interface Evidence {
  /** The metric, seed by seed. */
  values: number[];
  charts: Chart[];
  /** What else was seen, in sentences for the report. */
  notes: string[];
}

/** What a claim needs while it is tried. */
export interface ClaimContext {
  signal: AbortSignal;
  /** Tells how far it is: a share of all the work, and what is being done. */
  onProgress(done: number, doing: string): void;
}

/** A claim and the experiment that tries it. */
export interface Claim<Settings extends Seeded = Seeded> extends Protocol<Settings> {
  experiment(settings: Settings, context: ClaimContext): Promise<Evidence>;
}

/** What came of a claim. */
export interface Verdict extends Omit<Protocol<Seeded>, "quick" | "quickShows" | "quickDecides"> {
  values: number[];
  seeds: readonly number[];
  /** Of the metric over the seeds. */
  interval: Interval;
  holds: boolean | "inconclusive";
  notes: string[];
  seconds: number;
  /** Of a quick run: what it shows, and what not. */
  quickShows?: string;
}

/** Declares a claim, its settings' type inferred for its own experiment. */
export function defineClaim<Settings extends Seeded>(claim: Claim<Settings>): Claim {
  // Whoever runs it hands back the settings that stand beside it, so forgetting their type is safe.
  return claim as unknown as Claim;
}

/**
 * Whether the metric is beyond its threshold: it is if its whole interval is, it is not if none of
 * it is; otherwise, and with a single seed, nobody can tell.
 */
export function judge(
  values: readonly number[],
  threshold: Protocol<Seeded>["threshold"],
): Pick<Verdict, "interval" | "holds"> {
  const found = interval(values);
  const [inside, outside] = compared(found, threshold);
  return { interval: found, holds: inside ? true : outside ? false : "inconclusive" };
}

/** Whether all of an interval is where it is wanted, and whether none of it is. */
function compared(
  { low, high }: Interval,
  threshold: Protocol<Seeded>["threshold"],
): [inside: boolean, outside: boolean] {
  if ("most" in threshold) return [high <= threshold.most, low > threshold.most];
  if ("least" in threshold) return [low >= threshold.least, high < threshold.least];
  return [low > threshold.above, high < threshold.above];
}
