/**
 * Text of charts: for SVG in the fonts of whoever looks at it, for pixels as lines of this
 * package's own typeface, since machines that train often have no fonts.
 */
import { CAPITAL_ROWS, type Glyph, glyphsOf } from "../media/font.js";

/** How a line of text is set. */
export interface Setting {
  /** Height of the font in pixels. */
  size: number;
  colour: string;
  /** Which part of the text is at the place given. Default `start`. */
  anchor?: "start" | "middle" | "end" | undefined;
  /** Turned to the left, from bottom to top. */
  upright?: boolean | undefined;
}

/** Writes a line whose letters stand at (x, y), as an element of SVG. */
export type Lettering = (text: string, x: number, y: number, setting: Setting) => string;

/** Height of capitals, of the font's. */
const CAPITAL = 0.72;

/** The pen and the white between letters, of the distance between points of a letter's grid. */
const PEN = 1.15;
const GAP = 1.05;

/** Letters as text, which can be searched and copied. */
export const inFonts: Lettering = (text, x, y, { size, colour, anchor = "start", upright }) => {
  const turned = upright ? ` transform="rotate(-90 ${round(x)} ${round(y)})"` : "";
  return (
    `<text x="${round(x)}" y="${round(y)}" font-size="${size}" fill="${colour}" ` +
    `text-anchor="${anchor}"${turned}>${escaped(text)}</text>`
  );
};

/** Letters as lines, which look the same on every machine. */
export const inLines: Lettering = (text, x, y, { size, colour, anchor = "start", upright }) => {
  const step = stepOf(size);
  const before = { start: 0, middle: 0.5, end: 1 }[anchor] * textWidth(text, size);
  let left = -before + (PEN * step) / 2;
  let path = "";
  for (const glyph of glyphsOf(text)) {
    for (const [x0, y0, x1, y1] of glyph.segments) {
      const at = (column: number, row: number) =>
        `${round(left + column * step)} ${round((row - CAPITAL_ROWS + 1) * step - PEN / 2)}`;
      path += `M${at(x0, y0)}L${at(x1, y1)}`;
    }
    left += advance(glyph) * step;
  }
  const place = `translate(${round(x)} ${round(y)})${upright ? " rotate(-90)" : ""}`;
  return (
    `<path d="${path}" transform="${place}" fill="none" stroke="${colour}" ` +
    `stroke-width="${round(PEN * step)}" stroke-linecap="round"/>`
  );
};

/** Width of a line in pixels, about what it is in common fonts too. */
export function textWidth(text: string, size: number): number {
  const glyphs = glyphsOf(text);
  return stepOf(size) * glyphs.reduce((sum, glyph) => sum + advance(glyph), glyphs.length && -GAP);
}

/** Text as XML has it. */
export function escaped(text: string): string {
  const names: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };
  // XML has no way to write other control characters.
  return text.replace(/\p{Cc}/gu, " ").replace(/[&<>"]/g, (character) => names[character]!);
}

/** A coordinate with as many digits as can be seen. */
export function round(value: number): number {
  return Math.round(value * 100) / 100;
}

function stepOf(size: number): number {
  return (size * CAPITAL) / CAPITAL_ROWS;
}

function advance(glyph: Glyph): number {
  return glyph.columns - 1 + PEN + GAP;
}
