import { invalidArgument } from "../../core/errors.js";
import type { RawImage } from "../../media/image.js";
import { annotated, type Counts, countsOf, type ShapesAnnotations } from "./annotations.js";
import { type Caption, drawCaptions } from "./captions.js";
import { Labeller } from "./labels.js";
import { Painter } from "./painter.js";
import { drawQuestions, type Question } from "./questions.js";
import { Random, STREAMS } from "./random.js";
import { drawScene, type Scene } from "./scene.js";
import type { Settings } from "./settings.js";
import {
  actionsOf,
  type RelationSpan,
  type ShapesObject,
  type Tracks,
  tracksOf,
} from "./tracks.js";
import type { Background } from "./vocabulary.js";

/**
 * One clip of a {@link ShapesWorld}. What is decided of it costs little; pixels, tracks and all
 * that follows from tracks are computed when asked for, tracks once.
 */
export class ShapesClip implements Iterable<RawImage> {
  readonly seed: number;
  readonly index: number;
  /** Pixels. */
  readonly width: number;
  readonly height: number;
  readonly frames: number;
  /** Frames shown a second. */
  readonly fps: number;
  readonly background: Background;
  /** The frames that have labels, in order. */
  readonly keyframes: readonly number[];
  readonly #settings: Settings;
  readonly #scene: Scene;
  #painter: Painter | undefined;
  #labeller: Labeller | undefined;
  #tracks: Tracks | undefined;
  #captions: Caption[] | undefined;
  #questions: Question[] | undefined;

  /** @internal Clips come from {@link ShapesWorld.clip}. */
  constructor(settings: Settings, index: number) {
    const scene = drawScene(settings, index);
    const every = Math.min(settings.keyframeEvery, scene.frames);
    const first = new Random(settings.seed, index, STREAMS.keyframes).below(every);
    const keyframes: number[] = [];
    for (let frame = first; frame < scene.frames; frame += every) keyframes.push(frame);
    this.seed = settings.seed;
    this.index = index;
    this.width = scene.width;
    this.height = scene.height;
    this.frames = scene.frames;
    this.fps = scene.fps / scene.stride;
    this.background = scene.ground.background;
    this.keyframes = keyframes;
    this.#settings = settings;
    this.#scene = scene;
  }

  /** The objects with their tracks, by id; those of higher id lie in front. */
  get objects(): readonly ShapesObject[] {
    this.#tracks ??= tracksOf(this.#scene);
    return this.#tracks.objects;
  }

  /** What holds of two objects, and when, by the boxes about all of them and by their pixels. */
  get relations(): readonly RelationSpan[] {
    this.#tracks ??= tracksOf(this.#scene);
    return this.#tracks.relations;
  }

  /** What is said of the clip; the first tells what all objects do, plainly and in full. */
  get captions(): readonly Caption[] {
    this.#captions ??= this.#drawCaptions();
    return this.#captions;
  }

  get questions(): readonly Question[] {
    const random = new Random(this.seed, this.index, STREAMS.questions);
    this.#questions ??= drawQuestions(random, this.objects, this.#settings.questions);
    return this.#questions;
  }

  get counts(): Counts {
    return countsOf(this.objects);
  }

  /** The pixels of a frame, in 3 channels. */
  frame(at: number): RawImage {
    this.#check(at);
    const { width, height } = this;
    const data = new Uint8Array(width * height * 3);
    this.#paint(at, data);
    return { data, width, height, channels: 3 };
  }

  *[Symbol.iterator](): Generator<RawImage> {
    for (let at = 0; at < this.frames; at += 1) yield this.frame(at);
  }

  /** The pixels of all frames, `[frames, height, width, 3]` in one piece. */
  pixels(): Uint8Array {
    const size = this.width * this.height * 3;
    const data = new Uint8Array(this.frames * size);
    for (let at = 0; at < this.frames; at += 1) {
      this.#paint(at, data.subarray(at * size, (at + 1) * size));
    }
    return data;
  }

  /** In one channel: for each pixel 0, or 1 more than the id of the object that it shows. */
  segmentation(at: number): RawImage {
    this.#check(at);
    const { width, height } = this;
    this.#labeller ??= new Labeller(this.#scene);
    return { data: this.#labeller.segmentation(at), width, height, channels: 1 };
  }

  /** In one channel: 255 where a frame shows an object, else 0. */
  mask(id: number, at: number): RawImage {
    const count = this.#scene.objects.length;
    if (!Number.isInteger(id) || id < 0 || id >= count) {
      throw invalidArgument("id", `a whole number below ${count}`, id);
    }
    const image = this.segmentation(at);
    return { ...image, data: image.data.map((value) => (value === id + 1 ? 255 : 0)) };
  }

  /** All that is known of the clip, with labels in keyframes only. */
  annotations(): ShapesAnnotations {
    const { seed, index, width, height, fps, frames, background, counts } = this;
    const keyframes = [...this.keyframes];
    return {
      ...{ seed, index, width, height, fps, frames, background },
      captions: this.captions.map(({ text }) => text),
      objects: this.objects.map((object) => annotated(object, keyframes)),
      relations: [...this.relations],
      counts,
      questions: [...this.questions],
      keyframes,
    };
  }

  #drawCaptions(): Caption[] {
    const { captions, captionNoise } = this.#settings;
    const random = new Random(this.seed, this.index, STREAMS.captions);
    const scene = this.#scene;
    // Without the tracks, which a plain caption has no need of.
    const told = scene.objects.map((one) => ({ ...one, actions: actionsOf(scene, one.id) }));
    return drawCaptions(random, told, () => this.relations, captions, captionNoise);
  }

  #paint(at: number, pixels: Uint8Array): void {
    const { seed, index } = this;
    this.#painter ??= new Painter(this.#scene, seed, index, this.#settings.grain);
    this.#painter.paint(at, pixels);
  }

  #check(at: number): void {
    if (Number.isInteger(at) && at >= 0 && at < this.frames) return;
    throw invalidArgument("the frame", `a whole number below ${this.frames}`, at);
  }
}
