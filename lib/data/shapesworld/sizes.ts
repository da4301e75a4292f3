/** Sizes of clips. */
import { invalidArgument } from "../../core/errors.js";
import { type Bounds, entriesOf, range, span, wholeNumber } from "./checks.js";
import type { ClipSize, SizeRule } from "./options.js";
import type { Random } from "./random.js";

export type Size = readonly [width: number, height: number];

const SIDE: Bounds = [8, 4096];
const ASPECT: Bounds = [1 / 16, 16];

/** Draws a clip's size. */
export type SizeDraw = (random: Random) => Size;

/** How sizes are drawn; `BAD_INPUT` for what gives none. */
export function sizeDraw(size: ClipSize): SizeDraw {
  if (!Array.isArray(size)) return ruled(size as SizeRule);
  const sizes = typeof size[0] === "number" ? [size as unknown as Size] : (size as readonly Size[]);
  if (sizes.length === 0) throw invalidArgument("size", "at least one size", size);
  const checked = sizes.map(checkedSize);
  return (random) => (checked.length === 1 ? checked[0]! : random.pick(checked));
}

function checkedSize(size: unknown): Size {
  if (!Array.isArray(size) || size.length !== 2) {
    throw invalidArgument("size", "[width, height]", size);
  }
  const [width, height] = size.map((side) => wholeNumber("size", side, SIDE)) as [number, number];
  const [least, most] = ASPECT;
  if (width / height >= least && width / height <= most) return [width, height];
  throw invalidArgument("size", `an aspect ratio of at most ${most}`, size);
}

function ruled(rule: SizeRule): SizeDraw {
  entriesOf("size", rule, ["shortSide", "aspect", "multipleOf"]);
  const [short, long] = span("size.shortSide", rule.shortSide, SIDE);
  const [narrow, wide] = range("size.aspect", rule.aspect, ASPECT);
  const multiple = wholeNumber("size.multipleOf", rule.multipleOf ?? 1, [1, 256]);
  const rounded = (side: number) => Math.max(1, Math.round(side / multiple)) * multiple;
  const sizeOf = (side: number, aspect: number): Size =>
    aspect < 1 ? [rounded(side), rounded(side / aspect)] : [rounded(side * aspect), rounded(side)];
  for (const side of [short, long]) {
    for (const aspect of [narrow, wide]) checkedSize(sizeOf(side, aspect));
  }
  return (random) => sizeOf(random.between(short, long), random.real(narrow, wide));
}
