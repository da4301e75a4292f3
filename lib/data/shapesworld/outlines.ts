/** The outlines of the shapes: polygons about the origin, y pointing down, of radius about 1. */
import { onCircle } from "./turns.js";
import type { Shape } from "./vocabulary.js";

/** Corners as x, y, x, y, …; the inside lies on the right of each edge as seen on the screen. */
export type Contour = Float64Array;

/** Corners of a whole circle: at a radius of 100 pixels it is off by less than 0.05 of one. */
const ROUND = 96;

type Point = readonly [x: number, y: number];

/** Corners on a circle, from one angle to another, both in turns and included. */
function arc(center: Point, radius: number, from: number, to: number): Point[] {
  const steps = Math.round((to - from) * ROUND);
  return Array.from({ length: steps + 1 }, (_, step) => {
    const [x, y] = onCircle(from + ((to - from) * step) / steps);
    return [center[0] + radius * x, center[1] + radius * y];
  });
}

/** A polygon whose corners have the radii given in turn, the first corner at the top. */
function corners(count: number, ...radii: number[]): Point[] {
  return Array.from({ length: count }, (_, corner) => {
    const [x, y] = onCircle(corner / count - 0.25);
    const radius = radii[corner % radii.length]!;
    return [radius * x, radius * y];
  });
}

function rectangle(x: number, y: number): Point[] {
  return [
    [-x, -y],
    [x, -y],
    [x, y],
    [-x, y],
  ];
}

function plus(reach: number, half: number): Point[] {
  return [
    [-half, -reach],
    [half, -reach],
    [half, -half],
    [reach, -half],
    [reach, half],
    [half, half],
    [half, reach],
    [-half, reach],
    [-half, half],
    [-reach, half],
    [-reach, -half],
    [-half, -half],
  ];
}

/** Two lobes from the cleft on to where the sides leave them towards the tip. */
function heart(): Point[] {
  const lobe = arc([0.46, -0.28], 0.52, 0.5796, 1.1218);
  const mirrored = lobe.map(([x, y]): Point => [-x, y]).reverse();
  return [[0, -0.5225], ...lobe, [0, 0.95], ...mirrored];
}

const ARROW: readonly Point[] = [
  [1.08, 0],
  [0.1, 0.8],
  [0.1, 0.32],
  [-0.95, 0.32],
  [-0.95, -0.32],
  [0.1, -0.32],
  [0.1, -0.8],
];

/** Where the semicircle is cut off. */
const FLAT = 0.42;

/** Each shape's corners, and how thick its outline is drawn. */
const SHAPES: Readonly<Record<Shape, readonly [corners: readonly Point[], stroke: number]>> = {
  circle: [corners(ROUND, 0.93), 0.3],
  square: [rectangle(0.8, 0.8), 0.26],
  triangle: [corners(3, 1.13), 0.2],
  star: [corners(10, 1.14, 0.54), 0.15],
  plus: [plus(1, 0.37), 0.15],
  bar: [rectangle(1.05, 0.4), 0.17],
  heart: [heart(), 0.2],
  arrow: [ARROW, 0.14],
  pentagon: [corners(5, 1.05), 0.26],
  semicircle: [arc([0, FLAT], 1, 0.5, 1), 0.2],
};

/** The outline of a filled shape. */
export function outlineOf(shape: Shape): Contour {
  return CONTOURS[shape];
}

const CONTOURS = Object.fromEntries(
  Object.entries(SHAPES).map(([shape, [points]]) => [shape, Float64Array.from(points.flat())]),
) as Readonly<Record<Shape, Contour>>;

/** The distance of the farthest corner from the origin. */
export function reachOf(shape: Shape): number {
  return REACHES[shape];
}

const REACHES = Object.fromEntries(
  Object.entries(SHAPES).map(([shape, [points]]) => {
    const squares = points.map(([x, y]) => x * x + y * y);
    return [shape, Math.sqrt(Math.max(...squares))];
  }),
) as Readonly<Record<Shape, number>>;

/**
 * The inner rim of an outlined shape, the other way round so that it cuts a hole. Where a pixel is
 * wider than the line, the line is drawn wider, but never so wide that the hole closes.
 *
 * @param pixel - a pixel's side, in radii of the shape
 */
export function holeOf(shape: Shape, pixel: number): Contour {
  const [points, stroke] = SHAPES[shape];
  const width = Math.min(Math.max(stroke, pixel), 1.5 * stroke);
  const inner = shape === "semicircle" ? insideDome(width) : inset(points, width);
  return Float64Array.from(inner.reverse().flat());
}

/** The corners moved inwards, each side by `width`. */
function inset(points: readonly Point[], width: number): Point[] {
  return points.map((point, at) => {
    const [ax, ay] = normal(points.at(at - 1)!, point);
    const [bx, by] = normal(point, points[(at + 1) % points.length]!);
    const reach = width / (1 + ax * bx + ay * by);
    return [point[0] + reach * (ax + bx), point[1] + reach * (ay + by)];
  });
}

/** The same of the semicircle, of whose round side a part falls away. */
function insideDome(width: number): Point[] {
  const radius = 1 - width;
  const corner = Math.sqrt(radius * radius - width * width);
  const round = arc([0, FLAT], radius, 0.5, 1).filter(([, y]) => y < FLAT - width);
  return [[-corner, FLAT - width], ...round, [corner, FLAT - width]];
}

/** The unit vector from an edge into the shape. */
function normal([x0, y0]: Point, [x1, y1]: Point): Point {
  const [x, y] = [x1 - x0, y1 - y0];
  const length = Math.sqrt(x * x + y * y);
  return [-y / length, x / length];
}
