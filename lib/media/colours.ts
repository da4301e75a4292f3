/** Colours that tell labels apart. */
import { invalidArgument } from "../core/errors.js";

/** Red, green and blue, 0 to 255. */
export type Rgb = readonly [red: number, green: number, blue: number];

/** A colour as users write it: `#rrggbb`, or red, green and blue from 0 to 255. */
export type Colour = string | Rgb;

export const BLACK: Rgb = [0, 0, 0];
export const WHITE: Rgb = [255, 255, 255];

/** Hues far from each other, in an order in which neighbours differ most. */
const HUES: readonly Rgb[] = [
  "#e8352e",
  "#1c8cff",
  "#19b648",
  "#ffa514",
  "#8a4dff",
  "#00c3d6",
  "#ff4fa6",
  "#a9d70b",
  "#b8622f",
  "#2c46cc",
  "#ffdb2b",
  "#0a9880",
].map(parsed);

/** Each hue as it is, then light, then dark. */
const PALETTE: readonly Rgb[] = [
  ...HUES,
  ...HUES.map((hue) => mixed(hue, WHITE, 0.5)),
  ...HUES.map((hue) => mixed(hue, BLACK, 0.45)),
];

/**
 * A colour for each label.
 *
 * A label of `order` has the colour of its place there, whatever else is in the picture. Any other
 * has one that follows from its letters; only where another label took that already, it moves on.
 * The palette has 36 colours and starts again where those are used up.
 *
 * @param present - the labels that are to be told apart
 * @param order - labels whose colours are fixed, e.g. the queries of a search
 */
export function labelColours(
  present: Iterable<string>,
  order: readonly string[] = [],
): Map<string, Rgb> {
  const places = new Map<string, number>();
  for (const label of order) if (!places.has(label)) places.set(label, places.size);
  const taken = new Set([...places.values()].map((place) => place % PALETTE.length));
  // Sorted, so that the order of the boxes changes nothing.
  for (const label of [...new Set(present)].sort()) {
    if (places.has(label)) continue;
    const place = freePlace(hash(label), taken);
    places.set(label, place);
    taken.add(place);
  }
  return new Map(
    [...places].map(([label, place]) => [label, PALETTE[place % PALETTE.length]!] as const),
  );
}

/** The first free place of the palette from where `start` points, plain hues before others. */
function freePlace(start: number, taken: ReadonlySet<number>): number {
  for (let shade = 0; shade < PALETTE.length; shade += HUES.length) {
    for (let step = 0; step < HUES.length; step += 1) {
      const place = shade + ((start + step) % HUES.length);
      if (!taken.has(place)) return place;
    }
  }
  return start % PALETTE.length;
}

/** FNV-1a of the UTF-16 units. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let i = 0; i < text.length; i += 1) {
    value = Math.imul(value ^ text.charCodeAt(i), 0x01000193) >>> 0;
  }
  return value;
}

/** Black or white, whichever can be read better on `ground`. */
export function inkOn(ground: Rgb): Rgb {
  const luminance = relativeLuminance(ground);
  // Contrast as WCAG 2 defines it, (lighter + 0.05) / (darker + 0.05).
  return 1.05 / (luminance + 0.05) > (luminance + 0.05) / 0.05 ? WHITE : BLACK;
}

/** Light that a colour gives off, 0 to 1 (WCAG 2). */
function relativeLuminance(colour: Rgb): number {
  const [red, green, blue] = colour.map((value) => {
    const level = value / 255;
    return level <= 0.04045 ? level / 12.92 : ((level + 0.055) / 1.055) ** 2.4;
  }) as unknown as Rgb;
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

/** Reads a colour as users write it. */
export function colourOf(colour: Colour): Rgb {
  const expected = "#rrggbb or three whole numbers from 0 to 255";
  if (typeof colour === "string") {
    if (!/^#[0-9a-f]{6}$/i.test(colour)) throw invalidArgument("color", expected, colour);
    return parsed(colour);
  }
  const levels: readonly unknown[] = Array.isArray(colour) ? colour : [];
  const isLevel = (value: unknown) => Number.isInteger(value) && (value as number) >>> 8 === 0;
  if (levels.length !== 3 || !levels.every(isLevel)) {
    throw invalidArgument("color", expected, colour);
  }
  return levels as Rgb;
}

function parsed(hex: string): Rgb {
  const value = Number.parseInt(hex.slice(1), 16);
  return [value >> 16, (value >> 8) & 255, value & 255];
}

function mixed(colour: Rgb, other: Rgb, share: number): Rgb {
  return colour.map((value, i) =>
    Math.round(value + (other[i]! - value) * share),
  ) as unknown as Rgb;
}
