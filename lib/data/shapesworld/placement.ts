/** Where actors are put, so that they stay within the picture and hide each other as asked. */
import type { Extent, Moving } from "./actors.js";
import { reachOf } from "./outlines.js";
import type { Random } from "./random.js";
import type { Occlusion, Settings } from "./settings.js";

/** Places tried for each actor, and how often its path is halved where none of them will do. */
const TRIES = 100;
const HALVINGS = 3;

/**
 * How much of an actor others hide, on the mean over its frames: 0 nothing, 1 all. The closer to
 * the range the better; the first place within it is taken.
 */
const HIDDEN: Readonly<Record<Occlusion, readonly [least: number, most: number]>> = {
  none: [0, 0],
  some: [0, 0.1],
  heavy: [0.12, 0.35],
};

/** An object is hidden by no more than this in some frame, so that it can be known. */
const MOST_HIDDEN = 0.2;

/** An object with its place, and how much of it others hide in each frame. */
interface Placed {
  one: Moving;
  hidden: Float64Array;
}

/**
 * Puts actors, in place: the first, then the others, those that need most room before those that
 * need less. Those for which there is none are left out.
 */
export function placeActors(
  random: Random,
  actors: readonly Moving[][],
  extent: Extent,
  settings: Pick<Settings, "occlusion" | "spread">,
): Moving[][] {
  const placed: Placed[] = [];
  const sizeOf = (actor: readonly Moving[]) => actor.reduce((sum, one) => sum + radiusOf(one), 0);
  const others = actors.slice(1).sort((a, b) => sizeOf(b) - sizeOf(a));
  return [...actors.slice(0, 1), ...others].filter((actor) => {
    for (let halved = 0; halved <= HALVINGS; halved += 1) {
      const place = bestPlace(random, actor, placed, extent, settings);
      if (place) {
        put(actor, place, placed);
        return true;
      }
      if (actor.length === 1) shorten(actor[0]!, "x", 0.5);
      if (actor.length === 1) shorten(actor[0]!, "y", 0.5);
    }
    return false;
  });
}

function bestPlace(
  random: Random,
  actor: readonly Moving[],
  placed: readonly Placed[],
  extent: Extent,
  { occlusion, spread }: Pick<Settings, "occlusion" | "spread">,
): Place | undefined {
  const x = spreadOver(roomAlong(actor, "x", extent.width), spread);
  const y = spreadOver(roomAlong(actor, "y", extent.height), spread);
  let best: Place | undefined;
  let least = Infinity;
  for (let tried = 0; tried < TRIES && least > 0; tried += 1) {
    const place = { x: random.real(...x), y: random.real(...y) };
    const penalty = penaltyOf(actor, place, placed, occlusion);
    if (penalty < least) [best, least] = [place, penalty];
  }
  return best;
}

/** Moves an actor to its place, and notes what it hides and what hides it. */
function put(actor: readonly Moving[], { x, y }: Place, placed: Placed[]): void {
  const frames = actor[0]!.path.x.length;
  for (const { path } of actor) {
    for (let frame = 0; frame < frames; frame += 1) {
      path.x[frame]! += x;
      path.y[frame]! += y;
    }
  }
  const added = actor.map((one): Placed => ({ one, hidden: new Float64Array(frames) }));
  for (const { one, hidden } of added) {
    for (const other of placed) {
      for (let frame = 0; frame < frames; frame += 1) {
        const share = overlap(one, other.one, frame, 0, 0);
        hidden[frame]! += share;
        other.hidden[frame]! += share;
      }
    }
  }
  placed.push(...added);
}

interface Place {
  x: number;
  y: number;
}

type Ends = readonly [least: number, most: number];

/** The places at which an actor stays within the picture. A path too long for it is shortened. */
function roomAlong(actor: readonly Moving[], axis: "x" | "y", length: number): Ends {
  if (actor.length === 1) {
    const values = actor[0]!.path[axis];
    const way = Math.max(...values) - Math.min(...values);
    const room = length - 2 * radiusOf(actor[0]!);
    if (way > room) shorten(actor[0]!, axis, room / way);
  }
  const least = Math.min(...actor.map((one) => Math.min(...one.path[axis]) - radiusOf(one)));
  const most = Math.max(...actor.map((one) => Math.max(...one.path[axis]) + radiusOf(one)));
  return [-least, Math.max(-least, length - most)];
}

/** The middle part of a range. */
function spreadOver([least, most]: Ends, spread: number): Ends {
  const off = ((most - least) * (1 - spread)) / 2;
  return [least + off, most - off];
}

function shorten({ path }: Moving, axis: "x" | "y", factor: number): void {
  const values = path[axis];
  for (let frame = 0; frame < values.length; frame += 1) values[frame]! *= factor;
}

function radiusOf({ shape, radius }: Moving): number {
  return reachOf(shape) * radius;
}

/** 0 for a place that is as asked, more for worse ones, infinite for those that cannot be. */
function penaltyOf(
  actor: readonly Moving[],
  place: Place,
  placed: readonly Placed[],
  occlusion: Occlusion,
): number {
  if (placed.length === 0) return 0;
  const [least, most] = HIDDEN[occlusion];
  const frames = actor[0]!.path.x.length;
  const lowest = placed.map(() => Infinity);
  let worst = 0;
  for (const one of actor) {
    let [sum, own] = [0, Infinity];
    for (let frame = 0; frame < frames; frame += 1) {
      let hidden = 0;
      for (const [at, other] of placed.entries()) {
        const share = overlap(one, other.one, frame, place.x, place.y);
        hidden += share;
        if (other.one.path.on[frame] === 0) continue;
        lowest[at] = Math.min(lowest[at]!, other.hidden[frame]! + share);
      }
      sum += Math.min(1, hidden);
      if (one.path.on[frame] === 1) own = Math.min(own, hidden);
    }
    const mean = sum / frames;
    if (own > MOST_HIDDEN || (mean > 0 && occlusion === "none")) return Infinity;
    worst = Math.max(worst, least - mean, mean - most);
  }
  return lowest.some((share) => share > MOST_HIDDEN) ? Infinity : worst;
}

/** How much circles about two objects overlap, 0 to 1, the first one moved by `dx`, `dy`. */
function overlap(one: Moving, other: Moving, frame: number, dx: number, dy: number): number {
  const [a, b] = [one.path, other.path];
  const x = a.x[frame]! + dx - b.x[frame]!;
  const y = a.y[frame]! + dy - b.y[frame]!;
  const reach = radiusOf(one) * a.scale[frame]! + radiusOf(other) * b.scale[frame]!;
  const square = x * x + y * y;
  return square < reach * reach ? 1 - Math.sqrt(square) / reach : 0;
}
