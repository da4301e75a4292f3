/** Scenes: everything that is decided of a clip before it is drawn. */
import { drawActors, type Extent, type Moving } from "./actors.js";
import { drawGround, type Ground } from "./grounds.js";
import type { Timing } from "./path.js";
import { placeActors } from "./placement.js";
import { Random, STREAMS } from "./random.js";
import type { Settings } from "./settings.js";
import { SHAPES, type Shape } from "./vocabulary.js";

/** An object of a scene. */
export interface SceneObject extends Moving {
  /** Its place in the list of objects: those of higher id lie in front. */
  id: number;
  /** Whose pattern its surface has, if any. */
  texture: Shape | null;
  /** The id of the one that it meets or parts from, if any. */
  partner: number | null;
}

export interface Scene extends Timing {
  /** Pixels. */
  width: number;
  height: number;
  /** The shorter side in pixels: what lengths of the scene are told in. */
  unit: number;
  objects: readonly SceneObject[];
  ground: Ground;
}

/** The scene of the clip at an index. */
export function drawScene(settings: Settings, index: number): Scene {
  const { seed, fps } = settings;
  const [width, height] = settings.size(new Random(seed, index, STREAMS.size));
  const unit = Math.min(width, height);
  const extent: Extent = { width: width / unit, height: height / unit };
  const random = new Random(seed, index, STREAMS.scene);
  const frames = random.between(...settings.frames);
  const count = random.between(...settings.objects);
  // A single frame lasts as long as one of the world.
  const stride = frames === 1 ? 1 : settings.stride;
  const timing = { frames, stride, fps };
  const actors = drawActors(random, settings, count, timing, extent);
  const placing = new Random(seed, index, STREAMS.placement);
  const placed = placeActors(placing, actors, extent, settings);
  const order = placing.shuffled(placed.flat());
  const surfaces = new Random(seed, index, STREAMS.texture);
  const objects = order.map((one, id): SceneObject => {
    const others = placed.find((actor) => actor.includes(one))!;
    const partner = others.find((other) => other !== one);
    const texture = textureOf(surfaces, settings.texture, one.shape);
    return { ...one, id, texture, partner: partner ? order.indexOf(partner) : null };
  });
  const ground = drawGround(new Random(seed, index, STREAMS.ground), settings.backgrounds);
  return { width, height, unit, ...timing, objects, ground };
}

function textureOf(random: Random, mode: Settings["texture"], shape: Shape): Shape | null {
  if (mode === "none") return null;
  if (mode === "matching") return shape;
  return random.pick(SHAPES.filter((other) => other !== shape));
}
