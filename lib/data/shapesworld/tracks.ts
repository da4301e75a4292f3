/** What a clip's objects are and where, frame by frame. */
import { type Box, drawnObjects } from "./drawn.js";
import { Labeller } from "./labels.js";
import type { Scene } from "./scene.js";
import type { Color, Fill, Motion, Relation, Shape, Size } from "./vocabulary.js";

/** What an object does from `start` to `end`, in seconds of the clip. */
export interface Action {
  name: Motion;
  start: number;
  end: number;
  /** The id of the one that it meets or parts from. */
  with?: number;
}

/** An object of a clip. Its id stays with it while it is hidden or switched off. */
export interface ShapesObject {
  id: number;
  shape: Shape;
  color: Color;
  size: Size;
  fill: Fill;
  /** The shape whose pattern its surface has, if it has one. */
  texture: Shape | null;
  actions: Action[];
  /** For each frame the box about the pixels that are seen of it; null where none is. */
  boxes: (Box | null)[];
  /** For each frame the box about all of it, whether that is seen or not; not whole pixels. */
  amodalBoxes: Box[];
  /** For each frame the share of its pixels that nothing hides; 0 while it is switched off. */
  visibility: number[];
}

/** What holds of two objects, by id, from `start` to `end`, in seconds of the clip. */
export interface RelationSpan {
  subject: number;
  relation: Relation;
  object: number;
  start: number;
  end: number;
}

export interface Tracks {
  objects: ShapesObject[];
  relations: RelationSpan[];
}

/** Follows the objects of a scene through its frames. */
export function tracksOf(scene: Scene): Tracks {
  const labeller = new Labeller(scene);
  const drawn = drawnObjects(scene);
  const objects = scene.objects.map(({ id, shape, color, size, fill, texture }): ShapesObject => {
    const actions = actionsOf(scene, id);
    const empty = { boxes: [], amodalBoxes: [], visibility: [] };
    return { id, shape, color, size, fill, texture, actions, ...empty };
  });
  const hides: number[][][] = [];
  for (let frame = 0; frame < scene.frames; frame += 1) {
    const labels = labeller.labels(frame);
    for (const [id, object] of objects.entries()) {
      object.boxes.push(labels.boxes[id]!);
      object.visibility.push(labels.visibility[id]!);
      object.amodalBoxes.push(drawn[id]!.box(frame));
    }
    hides.push(labels.hides);
  }
  return { objects, relations: relationsOf(objects, hides, scene.stride / scene.fps) };
}

/** The actions of an object, in seconds. */
export function actionsOf({ objects, fps }: Scene, id: number): Action[] {
  const { phases, partner } = objects[id]!;
  return phases.map(({ motion, first, end }) => {
    const action: Action = { name: motion, start: first / fps, end: end / fps };
    if (partner !== null && motion !== "still") action.with = partner;
    return action;
  });
}

/** Spans of all relations between two objects, in the order in which they begin. */
function relationsOf(
  objects: readonly ShapesObject[],
  hides: readonly number[][][],
  seconds: number,
): RelationSpan[] {
  const spans: RelationSpan[] = [];
  const holds: Readonly<Record<Relation, (a: number, b: number, frame: number) => boolean>> = {
    "left of": (a, b, frame) => boxOf(a, frame)[2] <= boxOf(b, frame)[0],
    above: (a, b, frame) => boxOf(a, frame)[3] <= boxOf(b, frame)[1],
    "in front of": (a, b, frame) => hides[frame]![a]!.includes(b),
  };
  const boxOf = (id: number, frame: number) => objects[id]!.amodalBoxes[frame]!;
  for (const { id: subject } of objects) {
    for (const { id: object } of objects) {
      if (subject === object) continue;
      for (const [relation, test] of Object.entries(holds)) {
        for (const [first, end] of runs(hides.length, (at) => test(subject, object, at))) {
          const times = { start: first * seconds, end: end * seconds };
          spans.push({ subject, relation: relation as Relation, object, ...times });
        }
      }
    }
  }
  return spans.sort((a, b) => a.start - b.start);
}

/** Where something holds on and on: the first of each run, and what follows its last. */
function runs(count: number, holds: (at: number) => boolean): [first: number, end: number][] {
  const found: [number, number][] = [];
  let first: number | undefined;
  for (let at = 0; at <= count; at += 1) {
    const held = at < count && holds(at);
    if (held) first ??= at;
    else if (first !== undefined) {
      found.push([first, at]);
      first = undefined;
    }
  }
  return found;
}
