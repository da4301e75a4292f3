/** Series as lines, bands, marks and bars. */
import { round } from "./lettering.js";
import type { Scale } from "./scale.js";
import type { Point, Series } from "./types.js";

/** Colours that also those tell apart who see some alike (Okabe and Ito), dark enough on white. */
const COLOURS = ["#0072b2", "#d55e00", "#009e73", "#aa4499", "#b8860b", "#333333"];

/** Dashes of further rounds through the colours. */
const DASHES = ["", "6 3", "2 2", "8 3 2 3"];

/** Opacity of bands, through which grid and lines are seen. */
const BAND = 0.18;

/** Half the width of a mark, and of the ends of a bar. */
const [MARK, CAP] = [3.5, 4];

/** How the series at a place among others is drawn. */
export interface Look {
  colour: string;
  dash: string;
  /** A mark about a place. */
  mark(x: number, y: number): string;
}

export function lookOf(place: number): Look {
  const colour = COLOURS[place % COLOURS.length]!;
  const dash = DASHES[Math.floor(place / COLOURS.length) % DASHES.length]!;
  const shape = SHAPES[place % SHAPES.length]!;
  return { colour, dash, mark: (x, y) => `<path d="${shape(x, y)}" fill="${colour}"/>` };
}

const SHAPES: readonly ((x: number, y: number) => string)[] = [
  (x, y) => `M${round(x - MARK)} ${round(y)}a${MARK} ${MARK} 0 1 0 ${2 * MARK} 0${BACK}`,
  (x, y) => `M${round(x - MARK)} ${round(y - MARK)}h${2 * MARK}v${2 * MARK}h${-2 * MARK}z`,
  (x, y) => `M${round(x)} ${round(y - 4)}l4 7h-8z`,
  (x, y) => `M${round(x)} ${round(y - 5)}l5 5l-5 5l-5 -5z`,
];
const BACK = `a${MARK} ${MARK} 0 1 0 ${-2 * MARK} 0z`;

/** The line that stands for a series in the legend and in the chart. */
export function stroke({ colour, dash }: Look): string {
  const dashes = dash === "" ? "" : ` stroke-dasharray="${dash}"`;
  return `fill="none" stroke="${colour}" stroke-width="1.75" stroke-linejoin="round"${dashes}`;
}

/** A series as elements of SVG. */
export function drawSeries(series: Series, look: Look, x: Scale, y: Scale): string[] {
  const { kind = "line", points } = series;
  const runs = runsOf(points, x, y);
  const drawn: string[] = [];
  for (const run of runs) {
    if (kind === "marks") drawn.push(...run.flatMap((point) => bar(point, look, x, y)));
    else drawn.push(...band(run, look, x, y));
  }
  for (const run of kind === "marks" ? [] : runs) {
    const path = run.map((point) => place(point.x, point.y, x, y)).join("L");
    drawn.push(`<path d="M${path}" ${stroke(look)} stroke-linecap="round"/>`);
  }
  if (kind !== "line") {
    for (const point of runs.flat()) drawn.push(look.mark(x.at(point.x), y.at(point.y)));
  }
  return drawn;
}

/** Points without those that have no place, divided there. */
function runsOf(points: readonly Point[], x: Scale, y: Scale): Point[][] {
  const runs: Point[][] = [[]];
  for (const point of points) {
    const placed = Number.isFinite(x.at(point.x)) && Number.isFinite(y.at(point.y));
    if (placed) runs.at(-1)!.push(point);
    else if (runs.at(-1)!.length > 0) runs.push([]);
  }
  return runs.filter((run) => run.length > 0);
}

/** The intervals of a line, filled. */
function band(run: readonly Point[], { colour }: Look, x: Scale, y: Scale): string[] {
  const ends = run.filter((point) => hasInterval(point, y));
  if (ends.length < 2) return [];
  const upper = ends.map((point) => place(point.x, point.high!, x, y));
  const lower = ends.map((point) => place(point.x, point.low!, x, y)).reverse();
  const outline = [...upper, ...lower].join("L");
  return [`<path d="M${outline}z" fill="${colour}" fill-opacity="${BAND}"/>`];
}

/** The interval of a mark, with a cap at each end. */
function bar(point: Point, { colour }: Look, x: Scale, y: Scale): string[] {
  if (!hasInterval(point, y)) return [];
  const [at, low, high] = [x.at(point.x), y.at(point.low!), y.at(point.high!)].map(round);
  const cap = (place: number) => `M${round(at! - CAP)} ${place}h${2 * CAP}`;
  const path = `M${at} ${low}V${high}${cap(low!)}${cap(high!)}`;
  return [`<path d="${path}" fill="none" stroke="${colour}" stroke-width="1.25"/>`];
}

function hasInterval({ low = Number.NaN, high = Number.NaN }: Point, y: Scale): boolean {
  return Number.isFinite(y.at(low)) && Number.isFinite(y.at(high));
}

function place(valueX: number, valueY: number, x: Scale, y: Scale): string {
  return `${round(x.at(valueX))} ${round(y.at(valueY))}`;
}
