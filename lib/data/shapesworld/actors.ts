/** Actors: objects that move alone, and pairs that move together, before they have a place. */
import type { Combinations } from "./combinations.js";
import { outlineOf, reachOf } from "./outlines.js";
import { distances, drawPath, type Path, restingPath, type Timing } from "./path.js";
import { drawProgram, type Phase } from "./program.js";
import type { Random } from "./random.js";
import type { Settings } from "./settings.js";
import { onCircle } from "./turns.js";
import { type Combination, isPaired, RADII } from "./vocabulary.js";

/** An object with its path, about a place that is not decided yet. */
export interface Moving extends Combination {
  /** In short sides of the picture, where its scale is 1. */
  radius: number;
  phases: readonly Phase[];
  path: Path;
}

/** The picture in lengths of its short side. */
export interface Extent {
  width: number;
  height: number;
}

/** How much the radii of one size differ. */
const VARIATION = [0.94, 1.06] as const;
/** How far two that met have been apart, and what stays between them. */
const APART = [0.2, 0.45] as const;
const AIR = 0.01;

/** Draws the actors of a clip: one or two objects each, `count` of them in all where possible. */
export function drawActors(
  random: Random,
  settings: Settings,
  count: number,
  timing: Timing,
  extent: Extent,
): Moving[][] {
  const { combinations, fps, actionSeconds } = settings;
  const lengths = [actionSeconds[0] * fps, actionSeconds[1] * fps] as const;
  const frames = timing.frames * timing.stride;
  const actors: Moving[][] = [];
  for (let left = count; left > 0; left -= actors.at(-1)!.length) {
    const heldOut = combinations.split === "heldOut" && left === count;
    const objects = drawObjects(random, combinations, { frames, paired: left > 1, heldOut });
    // Where all motions need two, one alone is left out.
    if (objects.length === 0) break;
    const phases = drawProgram(random, combinations, objects, frames, lengths);
    const drawn = objects.map((one) => ({
      ...one,
      radius: RADII[one.size] * random.real(...VARIATION),
      phases,
    }));
    actors.push(
      drawn.length === 1
        ? [{ ...drawn[0]!, path: drawPath(random, phases, timing) }]
        : pairOf(random, drawn, phases, timing, extent),
    );
  }
  return actors;
}

interface Wanted {
  frames: number;
  paired: boolean;
  heldOut: boolean;
}

function drawObjects(random: Random, combinations: Combinations, wanted: Wanted): Combination[] {
  if (!combinations.has(wanted)) return [];
  const first = combinations.draw(random, wanted);
  if (!isPaired(first.motion)) return [first];
  const { frames } = wanted;
  return [first, combinations.draw(random, { frames, paired: true, motion: first.motion })];
}

/** Two objects side by side, or one above the other, and how far from each other. */
function pairOf(
  random: Random,
  drawn: readonly Omit<Moving, "path">[],
  phases: readonly Phase[],
  timing: Timing,
  extent: Extent,
): Moving[] {
  const across = random.chance(0.5);
  const [before, behind] = drawn.map((one) => {
    return { ...one, path: restingPath(random, timing.frames) };
  }) as [Moving, Moving];
  const direction = across ? 0 : 0.25;
  const touching = extentOf(before, direction) + extentOf(behind, direction + 0.5) + AIR;
  const reaches = reachOf(before.shape) * before.radius + reachOf(behind.shape) * behind.radius;
  const room = (across ? extent.width : extent.height) - reaches - touching;
  const gap = Math.min(random.real(...APART), room);
  const shares = distances(phases, timing);
  for (let frame = 0; frame < timing.frames; frame += 1) {
    const half = (touching + gap * shares[frame]!) / 2;
    const [low, high] = across ? [before.path.x, behind.path.x] : [before.path.y, behind.path.y];
    low[frame] = -half;
    high[frame] = half;
  }
  return [before, behind];
}

/** How far an object that rests reaches from its middle in a direction, in turns. */
function extentOf({ shape, radius, path }: Moving, direction: number): number {
  const [dx, dy] = onCircle(direction - path.turn[0]!);
  const outline = outlineOf(shape);
  let reach = 0;
  for (let at = 0; at < outline.length; at += 2) {
    reach = Math.max(reach, outline[at]! * dx + outline[at + 1]! * dy);
  }
  return reach * radius;
}
