/** Draws what was detected onto a picture. */
import { invalidArgument } from "../core/errors.js";
import { fillFrame, fillRectangle, grown, paintMask, type Rectangle } from "./canvas.js";
import { BLACK, type Colour, colourOf, inkOn, labelColours, type Rgb } from "./colours.js";
import { decodeImage, type ImageSource, type RawImage } from "./image.js";
import { Placer } from "./placing.js";
import { checkSilhouette, paintSilhouette } from "./silhouette.js";
import { Scribe } from "./text.js";

/** What {@link drawBoxes} draws; a detection is one. */
export interface DrawnBox {
  /** Left, top, right, bottom in pixels of the picture. May reach beyond it. */
  box: readonly [x0: number, y0: number, x1: number, y1: number];
  /** Stands on the box's plate, and decides its colour. */
  label?: string | undefined;
  /** 0 to 1; stands behind the label. Boxes of higher score are drawn over those of lower. */
  score?: number | undefined;
  /** Default: one for each label. */
  color?: Colour | undefined;
  /** Pixels of the object: one channel, of the picture's size; what is not 0 is filled. */
  mask?: RawImage | undefined;
}

/** How boxes are drawn. */
export interface DrawOptions {
  /**
   * All labels that may come, e.g. the queries. A label has the colour of its place in this list,
   * so it keeps that from picture to picture; others are told apart within one picture.
   */
  labels?: readonly string[] | undefined;
  /** Times the width of lines and the size of letters, which follow the picture's. Default 1. */
  scale?: number | undefined;
  /** How much of the picture masks hide, 0 to 1; their rims hide all. Default 0.4. */
  maskOpacity?: number | undefined;
}

const MAX_SCALE = 20;
const RIM_OPACITY = 0.45;

/**
 * Draws boxes, their masks, labels and scores onto a copy of a picture, which has 3 channels.
 *
 * Of a box that reaches beyond the picture the part within is framed; one that lies outside is left
 * out. Labels stand above their boxes where there is room, else in or below them, and do not cover
 * each other where that can be avoided; long ones are cut. No fonts are needed: the same input
 * gives the same pixels on every machine.
 *
 * @throws `BAD_INPUT` for boxes that are not four finite numbers with x0 <= x1 and y0 <= y1, for
 *   masks of another size than the picture's, and what {@link decodeImage} throws.
 *
 * @example
 * ```ts
 * const drawn = await drawBoxes("cat.jpg", detections, { labels: ["cat", "remote control"] });
 * await writeImage(drawn, "cat.boxes.png");
 * ```
 */
export async function drawBoxes(
  image: ImageSource,
  boxes: readonly DrawnBox[],
  options: DrawOptions = {},
): Promise<RawImage> {
  const { labels, scale = 1, maskOpacity = 0.4 } = options;
  if (typeof scale !== "number" || !(scale > 0 && scale <= MAX_SCALE)) {
    throw invalidArgument("scale", `a number above 0 and up to ${MAX_SCALE}`, scale);
  }
  if (typeof maskOpacity !== "number" || !(maskOpacity >= 0 && maskOpacity <= 1)) {
    throw invalidArgument("maskOpacity", "a number from 0 to 1", maskOpacity);
  }
  if (!Array.isArray(boxes)) throw invalidArgument("the boxes", "an array", boxes);
  boxes.forEach(checkBox);
  const canvas = await decodeImage(image);
  for (const [index, { mask }] of boxes.entries()) {
    if (mask !== undefined) checkSilhouette(`boxes[${index}].mask`, mask, canvas);
  }
  const sizes = sizesFor(canvas, scale);
  const frames = framesOf(boxes, canvas, sizes.line, labels);
  for (const { mask, colour } of frames.toReversed()) {
    if (mask) paintSilhouette(canvas, mask, colour, maskOpacity, sizes.contour);
  }
  // Lines next, so that none crosses a plate; the most certain box last and so on top.
  for (const frame of frames.toReversed()) drawFrame(canvas, frame, sizes);
  const placer = new Placer(canvas);
  for (const frame of frames) drawPlate(canvas, frame, sizes, placer);
  return canvas;
}

/** A box as it is drawn. */
interface Frame {
  /** Outer edge of the line, within the picture. */
  outline: Rectangle;
  colour: Rgb;
  label: string;
  score: string;
  mask: RawImage | undefined;
}

/** Sizes in pixels. */
interface Sizes {
  line: number;
  /** Width of the rims of masks. */
  contour: number;
  /** Width of the dark rim that sets lines off from a bright ground. */
  rim: number;
  scribe: Scribe;
}

/** Lines and letters grow with the picture's side, and never fill a small or narrow one. */
function sizesFor({ width, height }: RawImage, scale: number): Sizes {
  const side = Math.min(Math.sqrt(width * height), 3 * Math.min(width, height)) * scale;
  const line = Math.max(1, Math.round(side / 260));
  const contour = Math.ceil(line / 2);
  return { line, contour, rim: line > 1 ? Math.ceil(line / 4) : 0, scribe: new Scribe(side / 56) };
}

function checkBox({ box, label, score, color }: DrawnBox, index: number): void {
  const name = `boxes[${index}]`;
  const expected = "four finite numbers with x0 <= x1 and y0 <= y1";
  if (!Array.isArray(box) || box.length !== 4 || !box.every(Number.isFinite)) {
    throw invalidArgument(`${name}.box`, expected, box);
  }
  if (box[0] > box[2] || box[1] > box[3]) throw invalidArgument(`${name}.box`, expected, box);
  if (label !== undefined && typeof label !== "string") {
    throw invalidArgument(`${name}.label`, "a string", label);
  }
  if (score !== undefined && !Number.isFinite(score)) {
    throw invalidArgument(`${name}.score`, "a finite number", score);
  }
  if (color !== undefined) colourOf(color);
}

/** The boxes to draw, highest score first. */
function framesOf(
  boxes: readonly DrawnBox[],
  canvas: RawImage,
  line: number,
  order: readonly string[] | undefined,
): Frame[] {
  const colours = labelColours(
    boxes.map(({ label = "" }) => label),
    order,
  );
  const frames: Frame[] = [];
  for (const { box, label = "", score, color, mask } of boxes.toSorted(byScore)) {
    const outline = outlineOf(box, canvas, line);
    if (!outline) continue;
    const colour = color === undefined ? colours.get(label)! : colourOf(color);
    frames.push({ outline, colour, label, score: score?.toFixed(2) ?? "", mask });
  }
  return frames;
}

/** Boxes without a score are certain. */
function byScore(a: DrawnBox, b: DrawnBox): number {
  return (b.score ?? 1) - (a.score ?? 1);
}

/** The outer edge of a line that lies on the edges of a box, moved into the picture. */
function outlineOf(
  [x0, y0, x1, y1]: DrawnBox["box"],
  { width, height }: RawImage,
  line: number,
): Rectangle | undefined {
  if (x1 < 0 || y1 < 0 || x0 > width || y0 > height) return undefined;
  const half = Math.floor(line / 2);
  const left = Math.min(width - 1, Math.max(0, Math.round(x0) - half));
  const top = Math.min(height - 1, Math.max(0, Math.round(y0) - half));
  const right = Math.max(left + 1, Math.min(width, Math.round(x1) + half));
  const bottom = Math.max(top + 1, Math.min(height, Math.round(y1) + half));
  return { left, top, right, bottom };
}

function drawFrame(canvas: RawImage, { outline, colour }: Frame, { line, rim }: Sizes): void {
  fillFrame(canvas, grown(outline, rim), rim, BLACK, RIM_OPACITY);
  fillFrame(canvas, grown(outline, -line), rim, BLACK, RIM_OPACITY);
  fillFrame(canvas, outline, line, colour);
}

function drawPlate(canvas: RawImage, frame: Frame, { rim, scribe }: Sizes, placer: Placer): void {
  const { outline, colour, label, score } = frame;
  const margin = Math.round(scribe.capital * 0.4);
  const room = canvas.width - 2 * margin - (score && label ? scribe.width(` ${score}`) : 0);
  const text = [label && scribe.fit(label, room), score].filter(Boolean).join(" ");
  if (text === "") return;
  const written = scribe.write(text);
  // Capitals stand in the middle; what reaches below them has its room in the lower margin.
  const height = scribe.capital + 2 * margin;
  const plate = placer.place(outline, written.width + 2 * margin, height);
  fillFrame(canvas, grown(plate, rim), rim, BLACK, RIM_OPACITY);
  fillRectangle(canvas, plate, colour);
  paintMask(canvas, written, plate.left + margin, plate.top + margin, inkOn(colour));
}
