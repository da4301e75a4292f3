/** What a promise is made of; there is one file for each. */

/** How often things are tried: the short counts of CI, or those of a soak. */
export interface Counts {
  soak: boolean;
}

/** What was measured. */
export interface Outcome {
  /** `skipped` where this machine cannot measure it; `figure` then says why. */
  holds: boolean | "skipped";
  figure: string;
}

/** Something that the runtime promises, and how that is measured. */
export interface RuntimePromise {
  name: string;
  /** What is promised, in one sentence. */
  statement: string;
  /** What the figure must not exceed. */
  limit: string;
  /** Minutes after which the measurement is given up, for the short counts and for a soak. */
  minutes: { short: number; soak: number };
  /** Runs in a process of its own, with `gc` exposed. */
  run(counts: Counts): Promise<Outcome>;
}
