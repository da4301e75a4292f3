/** Programs: which motion an object makes when. */
import type { Combinations } from "./combinations.js";
import type { Random } from "./random.js";
import { type Combination, isPaired, type Motion } from "./vocabulary.js";

/** One motion of an object, from frame `first` of the world up to but not including `end`. */
export interface Phase {
  motion: Motion;
  first: number;
  end: number;
}

/**
 * Frames below which a phase is not begun: what remains belongs to the one before. Every motion
 * fits into so many.
 */
const LEAST_PHASE = 4;

/** What motions have led to so far: they go to and fro between two ends. */
export class Whereabouts {
  #ends = { across: 0, upright: 0, growth: 0, distance: 0 };

  /** Whether a motion still has somewhere to go. */
  hasRoom(motion: Motion): boolean {
    const goal = GOALS[motion];
    return goal === undefined || this.#ends[goal[0]] !== goal[1];
  }

  enter(motion: Motion): void {
    const goal = GOALS[motion];
    if (goal) this.#ends[goal[0]] = goal[1];
  }

  /** The end of an axis that an object is at: -1, 1, or 0 where it has not been used. */
  at(axis: "across" | "upright"): number {
    return this.#ends[axis];
  }

  /** Notes at which end of an axis an object is. */
  settle(axis: "across" | "upright", end: number): void {
    this.#ends[axis] = end;
  }
}

/** The axis that each motion goes along, and the end that it leads to. */
const GOALS: {
  readonly [K in Motion]?: readonly ["across" | "upright" | "growth" | "distance", -1 | 1];
} = {
  left: ["across", -1],
  right: ["across", 1],
  up: ["upright", -1],
  down: ["upright", 1],
  grow: ["growth", 1],
  shrink: ["growth", -1],
  meet: ["distance", -1],
  part: ["distance", 1],
};

/**
 * Draws what objects that move together do during a clip, beginning with the motion of their
 * combinations. Where nothing may follow a motion, it goes on.
 *
 * @param frames - of the world
 * @param lengths - frames that a phase lasts, at least and at most
 */
export function drawProgram(
  random: Random,
  combinations: Combinations,
  objects: readonly Combination[],
  frames: number,
  lengths: readonly [least: number, most: number],
): Phase[] {
  const first = objects[0]!.motion;
  const phases: Phase[] = [{ motion: first, first: 0, end: frames }];
  const whereabouts = new Whereabouts();
  whereabouts.enter(first);
  const paired = objects.length > 1;
  for (let at = 0; ; ) {
    at += Math.max(LEAST_PHASE, Math.round(random.real(...lengths)));
    const left = frames - at;
    if (left < Math.max(LEAST_PHASE, lengths[0] / 2)) return phases;
    const last = phases.at(-1)!;
    const possible = combinations.motions.filter((motion) => {
      // What two do together neither stops nor starts in the middle of what each does alone.
      const together = paired ? isPaired(motion) || motion === "still" : !isPaired(motion);
      const allowed = objects.every((one) => combinations.allows({ ...one, motion }));
      return motion !== last.motion && whereabouts.hasRoom(motion) && together && allowed;
    });
    const motion = combinations.drawMotion(random, possible);
    if (motion === undefined) return phases;
    last.end = at;
    phases.push({ motion, first: at, end: frames });
    whereabouts.enter(motion);
  }
}
