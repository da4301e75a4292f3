/** Scenes of Shapes World as batches for small classifiers. */
import { tensor } from "../../core/create.js";
import type { Module } from "../../core/module.js";
import { ops } from "../../core/ops.js";
import type { ShapesClip } from "../../data/shapesworld/clip.js";
import { COLORS, SHAPES } from "../../data/shapesworld/vocabulary.js";
import type { ShapesWorld } from "../../data/shapesworld/world.js";
import type { Batch } from "../../train/index.js";

/**
 * What is asked of a picture: which shapes and colours are in it, [B, K] of 0 and 1 for the loss
 * `sigmoid`, or which shape its only object has, [B] for `softmax`.
 */
export type Question = "shapes and colours" | "shape";

const NAMES: readonly string[] = [...SHAPES, ...COLORS];
const CHANNELS = 3;
/** Pictures of one call where nothing is learned. */
export const AT_ONCE = 128;

/** How many answers there are. */
export function answersOf(question: Question): number {
  return question === "shape" ? SHAPES.length : NAMES.length;
}

/** The clips from `first` on as one batch: `pixel_values` [B, 3, height, width] in [-1, 1]. */
export function batchOf(clips: readonly ShapesClip[], question: Question): Batch {
  const { width, height } = clips[0]!;
  const size = CHANNELS * width * height;
  const pixels = new Float32Array(clips.length * size);
  for (const [i, clip] of clips.entries()) {
    const { data } = clip.frame(0);
    for (let at = 0; at < data.length; at += 1) {
      const [pixel, channel] = [Math.floor(at / CHANNELS), at % CHANNELS];
      pixels[i * size + channel * width * height + pixel] = data[at]! / 127.5 - 1;
    }
  }
  return {
    pixel_values: tensor(pixels, { shape: [clips.length, CHANNELS, height, width] }),
    labels: question === "shape" ? shapesOf(clips) : namesOf(clips),
  };
}

/** Batches of one clip after the other, without end. */
export async function* batchesOf(
  world: ShapesWorld,
  batch: number,
  question: Question,
): AsyncGenerator<Batch> {
  for (let first = 0; ; first += batch) yield batchOf(clipsOf(world, first, batch), question);
}

/** Clips in a row. */
export function clipsOf(world: ShapesWorld, first: number, count: number): ShapesClip[] {
  return Array.from({ length: count }, (_, i) => world.clip(first + i));
}

function shapesOf(clips: readonly ShapesClip[]) {
  return tensor(
    BigInt64Array.from(clips, ({ objects }) => BigInt(SHAPES.indexOf(objects[0]!.shape))),
    { shape: [clips.length] },
  );
}

function namesOf(clips: readonly ShapesClip[]) {
  const labels = new Float32Array(clips.length * NAMES.length);
  for (const [i, { objects }] of clips.entries()) {
    for (const { shape, color } of objects) {
      for (const name of [shape, color]) labels[i * NAMES.length + NAMES.indexOf(name)] = 1;
    }
  }
  return tensor(labels, { shape: [clips.length, NAMES.length] });
}

/** Clips with the answers of a model, the likeliest of each, where a question has one. */
export async function* answersTo(
  model: Module,
  clips: readonly ShapesClip[],
): AsyncGenerator<{ clip: ShapesClip; answer: number }> {
  for (let first = 0; first < clips.length; first += AT_ONCE) {
    const part = clips.slice(first, first + AT_ONCE);
    const { pixel_values, labels } = batchOf(part, "shape");
    using _pixels = pixel_values!;
    using _labels = labels!;
    using result = await model.call("classify", { pixel_values: pixel_values! });
    using best = ops.argmax(result.logits!, 1);
    const answers = await best.data();
    for (const [i, clip] of part.entries()) yield { clip, answer: Number(answers[i]) };
  }
}
