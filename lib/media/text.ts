/** Lines of text as pixels, in the typeface of `font.ts`. */
import { CAPITAL_ROWS, type Glyph, glyphsOf, ROWS, type Segment } from "./font.js";

/** How much ink lies on each pixel, 0 to 255, row by row. */
export interface Mask {
  coverage: Uint8Array;
  width: number;
  height: number;
}

/** Width of the pen where 1 is the distance of two points of the grid. */
const PEN = 1.15;

/** White between two letters, in the same unit. */
const GAP = 0.95;

/**
 * Writes lines of text of one size.
 *
 * Upright and level strokes begin and end between pixels, so that they are sharp; all else is
 * smoothed. The same text gives the same pixels on every machine.
 */
export class Scribe {
  /** Pixels between two points of the grid. */
  readonly #step: number;
  readonly #pen: number;
  readonly #gap: number;
  readonly #masks = new Map<Glyph, Mask>();

  /** @param capital - height of capitals in pixels, about; at least 7 */
  constructor(capital: number) {
    this.#step = Math.max(1, capital / CAPITAL_ROWS);
    this.#pen = Math.max(1, Math.round(this.#step * PEN));
    this.#gap = Math.max(1, Math.round(this.#step * GAP));
  }

  /** Height of capitals in pixels. */
  get capital(): number {
    return this.#extent(CAPITAL_ROWS);
  }

  /** Height of a line in pixels: capitals, and what reaches below them. */
  get height(): number {
    return this.#extent(ROWS);
  }

  /** Width of a line in pixels. */
  width(text: string): number {
    const glyphs = glyphsOf(text);
    return glyphs.reduce((sum, glyph) => sum + this.#advance(glyph), glyphs.length && -this.#gap);
  }

  /** The text, or as much of its beginning as fits into `width` pixels with an ellipsis. */
  fit(text: string, width: number): string {
    if (this.width(text) <= width) return text;
    const characters = [...text];
    let [fits, tooMany] = [0, characters.length];
    while (tooMany - fits > 1) {
      const middle = (fits + tooMany) >> 1;
      if (this.width(shortened(characters, middle)) <= width) fits = middle;
      else tooMany = middle;
    }
    return shortened(characters, fits);
  }

  /** Draws a line. */
  write(text: string): Mask {
    const line = blank(Math.max(0, this.width(text)), this.height);
    let left = 0;
    for (const glyph of glyphsOf(text)) {
      stamp(this.#mask(glyph), line, left);
      left += this.#advance(glyph);
    }
    return line;
  }

  #extent(points: number): number {
    return Math.round((points - 1) * this.#step) + this.#pen;
  }

  #advance(glyph: Glyph): number {
    return this.#extent(glyph.columns) + this.#gap;
  }

  #mask(glyph: Glyph): Mask {
    const known = this.#masks.get(glyph);
    if (known) return known;
    const mask = blank(this.#extent(glyph.columns), this.height);
    const radius = this.#pen / 2;
    const at = (point: number) => Math.round(point * this.#step) + radius;
    for (const segment of glyph.segments) {
      stroke(mask, segment.map(at) as unknown as Segment, radius);
    }
    this.#masks.set(glyph, mask);
    return mask;
  }
}

function shortened(characters: readonly string[], count: number): string {
  return `${characters.slice(0, count).join("").trimEnd()}...`;
}

function blank(width: number, height: number): Mask {
  return { coverage: new Uint8Array(width * height), width, height };
}

/** Draws a line with a round pen; the ink of lines that cross does not add up. */
function stroke(mask: Mask, [x0, y0, x1, y1]: Segment, radius: number): void {
  const [left, right] = [Math.min(x0, x1) - radius - 1, Math.max(x0, x1) + radius + 1];
  const [top, bottom] = [Math.min(y0, y1) - radius - 1, Math.max(y0, y1) + radius + 1];
  const length2 = (x1 - x0) ** 2 + (y1 - y0) ** 2;
  for (let y = Math.max(0, Math.floor(top)); y < Math.min(mask.height, bottom); y += 1) {
    for (let x = Math.max(0, Math.floor(left)); x < Math.min(mask.width, right); x += 1) {
      const [dx, dy] = [x + 0.5 - x0, y + 0.5 - y0];
      const along = length2 && (dx * (x1 - x0) + dy * (y1 - y0)) / length2;
      const nearest = Math.min(1, Math.max(0, along));
      const distance = Math.sqrt((dx - nearest * (x1 - x0)) ** 2 + (dy - nearest * (y1 - y0)) ** 2);
      const ink = Math.min(1, Math.max(0, radius + 0.5 - distance));
      const place = y * mask.width + x;
      mask.coverage[place] = Math.max(mask.coverage[place]!, Math.round(255 * ink));
    }
  }
}

/** Copies a letter into a line. Letters of a line do not overlap. */
function stamp(letter: Mask, line: Mask, left: number): void {
  for (let row = 0; row < letter.height; row += 1) {
    const from = row * letter.width;
    line.coverage.set(letter.coverage.subarray(from, from + letter.width), row * line.width + left);
  }
}
