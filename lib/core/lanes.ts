import type { LaneCounters } from "../native/addon.js";
import { invalidArgument } from "./errors.js";
import { native } from "./runtime.js";

export type { LaneCounters };

/** Bounds of the queue and of what runs at once. */
export interface LaneLimits {
  /** Jobs that may wait. Beyond them a job is refused with `QUEUE_FULL`. */
  jobs?: number;
  /** Bytes of inputs that may wait. */
  bytes?: number;
  /** Jobs that may be under way at once; they take turns on the device. */
  threads?: number;
}

/** The queues that jobs wait in, one of each device. */
export const lanes = {
  /** How many jobs were taken in and what became of them. */
  counters(): LaneCounters {
    return native().laneCounters();
  },

  /** Sets bounds; those left out stay as they are. */
  limit(limits: LaneLimits): void {
    for (const [name, value] of Object.entries(limits)) {
      if (!Number.isInteger(value) || value < 1) {
        throw invalidArgument(name, "a whole number above 0", value);
      }
    }
    native().setLaneLimits(limits);
  },
} as const;
