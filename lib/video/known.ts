/** Parts of a video that are known beforehand, at the size of each stage. */
import { checkOneOf, checkWholeNumber } from "../core/checks.js";
import { ones, tensor, zeros } from "../core/create.js";
import { invalidArgument } from "../core/errors.js";
import { ops } from "../core/ops.js";
import { Tensor } from "../core/tensor.js";
import type { KnownVideo } from "./options.js";
import type { PlannedStage } from "./plan.js";
import { spread, videoOf } from "./sources.js";

/** What a stage's `sample` takes of it. */
export interface KnownInputs {
  known: Tensor;
  known_mask: Tensor;
}

/** Known parts of the whole video, at the size they were given. */
export class Known {
  /** [B, 3, T, h, w], 0 where nothing is known. */
  readonly #video: Tensor;
  /** [B, 1, T, h, w], 1 where it is known. */
  readonly #mask: Tensor;
  readonly #options: KnownVideo;

  /** @param frames - of the whole video. Throws `BAD_INPUT`. */
  constructor(options: KnownVideo, frames: number) {
    checkOneOf("known.method", options.method, ["reconstruction", "replacement"]);
    checkWholeNumber("known.repeats", options.repeats, 1);
    this.#options = options;
    const given = videoOf("known.video", options.video);
    const mask = maskOf(options.mask, given.shape);
    const places = placesOf(options.frames, given.shape[2]!, frames);
    this.#video = placed(given, places, frames);
    this.#mask = placed(mask, places, frames);
  }

  get samples(): number {
    return this.#video.shape[0]!;
  }

  /** The options of the native method. */
  args({ stage }: PlannedStage): object {
    const { method, weight, repeats } = this.#options;
    const usual = stage.kind === "base" ? "reconstruction" : "replacement";
    return {
      method: method ?? usual,
      ...(weight !== undefined && { weight }),
      ...(repeats !== undefined && { repeats }),
    };
  }

  /** The means of the pixels that fall together; of masks, where all of them are known. */
  inputs({ size }: PlannedStage, samples: number): KnownInputs {
    const every = this.#video.shape[2]! / size.frames;
    const sides: [number, number] = [size.height, size.width];
    const known = resized(thinned(this.#video, every), sides);
    const mask = resized(thinned(this.#mask, every), sides);
    const known_mask = ops.ge(mask, 1 - 1e-6).as("bool");
    return { known: spread(known, samples), known_mask: spread(known_mask, samples) };
  }
}

function placesOf(
  frames: readonly number[] | undefined,
  count: number,
  total: number,
): readonly number[] {
  const places = frames ?? Array.from({ length: count }, (_, frame) => frame);
  const fits = (frame: number) => Number.isInteger(frame) && frame >= 0 && frame < total;
  if (!Array.isArray(places) || !places.every(fits) || new Set(places).size !== places.length) {
    throw invalidArgument("known.frames", `whole numbers below ${total}, each once`, frames);
  }
  if (places.length !== count || (frames === undefined && count !== total)) {
    const expected = `a video of ${frames ? places.length : total} frames`;
    throw invalidArgument("known.video", expected, `${count} frames`);
  }
  return places;
}

/** float32 [B, 1, T, h, w] of the mask of a video [B, 3, T, h, w]. */
function maskOf(mask: Tensor | undefined, shape: readonly number[]): Tensor {
  const [samples, , frames, height, width] = shape as [number, number, number, number, number];
  if (mask === undefined) return ones([samples, 1, frames, height, width]);
  const whole = [samples, frames, height, width];
  const given = mask instanceof Tensor ? mask.shape : [];
  const fits = given.length >= 2 && String(given) === String(whole.slice(-given.length));
  if (!(mask instanceof Tensor) || mask.dtype !== "bool" || !fits) {
    const received = mask instanceof Tensor ? [mask.dtype, given] : mask;
    throw invalidArgument("known.mask", `bool [${whole.slice(1)}] or less`, received);
  }
  return ops.unsqueeze(ops.expand(mask, whole), 1).to("float32");
}

/** The frames at their places among `total`, with zeros elsewhere. */
function placed(video: Tensor, places: readonly number[], total: number): Tensor {
  const shape = [...video.shape];
  if (shape[2] === total) return video;
  shape[2] = total;
  const index = tensor(BigInt64Array.from(places, BigInt));
  return ops.index_copy(zeros(shape), 2, index, video);
}

function thinned(video: Tensor, every: number): Tensor {
  return every === 1 ? video : ops.slice(video, 2, 0, video.shape[2]!, every);
}

function resized(video: Tensor, sides: [height: number, width: number]): Tensor {
  const [samples, channels, frames, height, width] = video.shape as number[];
  if (height === sides[0] && width === sides[1]) return video;
  const planes = ops.reshape(video, [samples! * channels!, frames!, height!, width!]);
  const small = ops.adaptive_avg_pool2d(planes, sides);
  return ops.reshape(small, [samples!, channels!, frames!, ...sides]);
}
