import { checkOneOf } from "../../core/checks.js";
import { invalidArgument, TorchsightError } from "../../core/errors.js";
import { COLORS, type Color, SHAPES, type Shape } from "../../data/shapesworld/vocabulary.js";
import { type ClipPixels, groundOf, matteOf } from "./matte.js";
import { apart, COURSES, courseOf, type PlainMotion, seenIn } from "./motion.js";
import { ShapeJudge } from "./shape.js";

/** What may come. */
export interface MovingShapesOptions {
  /** Default: all colours of Shapes World. */
  colors?: readonly Color[] | undefined;
  /** Default: all shapes. */
  shapes?: readonly Shape[] | undefined;
  /** Default: all that the path of a middle and an area tell. */
  motions?: readonly PlainMotion[] | undefined;
}

/** What a clip shows. */
export interface MovingShape {
  color: Color;
  shape: Shape;
  motion: PlainMotion;
}

/** What the judge finds: the likeliest of each, and how likely each value is. */
export interface Verdict extends MovingShape {
  colors: ReadonlyMap<Color, number>;
  shapes: ReadonlyMap<Shape, number>;
  motions: ReadonlyMap<PlainMotion, number>;
}

/** Differences by which one value is e times as likely as another. */
const SOFTNESS = { color: 0.05, shape: 0.02, motion: 0.15 };
const MOTIONS = Object.keys(COURSES) as PlainMotion[];

/**
 * Tells colour, shape and motion of the only object of a clip before a plain ground, of its pixels
 * alone: the colour that best explains them, the shape whose drawing fits best, and the motion by a
 * straight line through the object's middles and areas. Made for filled objects of Shapes World
 * that do one thing, at 12 pixels a side or more.
 *
 * @throws `BAD_INPUT` for options that mean nothing
 *
 * @example
 * ```ts
 * const judge = new MovingShapesJudge({ colors: ["red", "blue"], shapes: ["circle", "square"] });
 * const verdict = judge.judge({ data, frames: 16, height: 32, width: 32 });
 * judge.score(verdict, { color: "red", shape: "square", motion: "left" }); // 0.97
 * ```
 */
export class MovingShapesJudge {
  readonly #colors: readonly Color[];
  readonly #shapes: readonly Shape[];
  readonly #motions: readonly PlainMotion[];

  constructor({ colors = COLORS, shapes = SHAPES, motions = MOTIONS }: MovingShapesOptions = {}) {
    for (const [name, values, known] of [
      ["colors", colors, COLORS],
      ["shapes", shapes, SHAPES],
      ["motions", motions, MOTIONS],
    ] as const) {
      if (!Array.isArray(values) || values.length === 0)
        throw invalidArgument(name, "a list", values);
      for (const value of values) checkOneOf(name, value as string, known as readonly string[]);
    }
    this.#colors = colors;
    this.#shapes = shapes;
    this.#motions = motions;
  }

  /** Throws `SHAPE` where there are not as many pixels as the sizes say. */
  judge(clip: ClipPixels): Verdict {
    const { data, frames, height, width } = clip;
    if (data.length !== frames * height * width * 3 || data.length === 0) {
      const message = `expected ${frames} frames of ${height} x ${width} pixels of 3 channels`;
      throw new TorchsightError("SHAPE", `${message} but received ${data.length} numbers`);
    }
    const ground = groundOf(clip);
    const mattes = new Map(this.#colors.map((color) => [color, matteOf(clip, ground, color)]));
    const colors = likely(
      [...mattes].map(([color, { left }]) => [color, left] as const),
      SOFTNESS.color,
    );
    const color = best(colors);
    const { alpha } = mattes.get(color)!;
    const seen = seenIn(alpha, clip);
    const shapes = likely(
      [...new ShapeJudge(this.#shapes, clip).errors(alpha, seen)],
      SOFTNESS.shape,
    );
    const course = courseOf(seen, clip);
    const motions = likely(
      this.#motions.map((motion) => [motion, apart(course, COURSES[motion])] as const),
      SOFTNESS.motion,
    );
    return { color, shape: best(shapes), motion: best(motions), colors, shapes, motions };
  }

  /** How likely a clip shows what was asked for, 0 to 1: all three, each by itself. */
  score({ colors, shapes, motions }: Verdict, { color, shape, motion }: MovingShape): number {
    const of = <K>(likelihoods: ReadonlyMap<K, number>, value: K) => likelihoods.get(value) ?? 0;
    return of(colors, color) * of(shapes, shape) * of(motions, motion);
  }
}

/** Likelihoods of values by how far each is off. */
function likely<K>(off: readonly (readonly [K, number])[], softness: number): Map<K, number> {
  const least = Math.min(...off.map(([, error]) => error));
  const weights = off.map(([, error]) => Math.exp((least - error) / softness));
  const sum = weights.reduce((all, weight) => all + weight, 0);
  return new Map(off.map(([value], at) => [value, weights[at]! / sum]));
}

function best<K>(likelihoods: ReadonlyMap<K, number>): K {
  return [...likelihoods].reduce((one, other) => (other[1] > one[1] ? other : one))[0];
}
