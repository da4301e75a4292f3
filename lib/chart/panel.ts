/** One chart of a figure: title, legend, grid, axes, series. */
import { type Lettering, round, textWidth } from "./lettering.js";
import { drawSeries, type Look, lookOf, stroke } from "./marks.js";
import { numberText, type Scale, scaleOf } from "./scale.js";
import type { Chart, Level, Series } from "./types.js";

/** Where a chart lies in its figure, in pixels. */
export interface Frame {
  left: number;
  top: number;
  width: number;
  height: number;
}

const [INK, SOFT, GRID] = ["#1f2328", "#57606a", "#d8dee4"];
const [TITLE, TEXT] = [15, 12];
const [PADDING, LINE, SWATCH] = [14, 18, 22];

/** Pixels between ticks, about. */
const [TICK_X, TICK_Y] = [90, 45];

/** Elements of a chart. `id` tells its clipping path from others'. */
export function drawChart(chart: Chart, frame: Frame, id: string, letters: Lettering): string {
  const rows = legendRows(chart.series, frame.width - 2 * PADDING);
  const top = frame.top + PADDING + TITLE + rows.length * LINE + 10;
  const bottom = frame.top + frame.height - PADDING - 2 * LINE - 4;
  const right = frame.left + frame.width - PADDING - 6;
  const y = verticalScale(chart, [bottom, top]);
  const widest = y.ticks.reduce((most, t) => Math.max(most, textWidth(numberText(t), TEXT)), 0);
  const left = frame.left + PADDING + LINE + widest + 10;
  const x = horizontalScale(chart, [left, right]);
  const area = { left, top, width: right - left, height: bottom - top };
  return [
    letters(chart.title, frame.left + PADDING, frame.top + PADDING + 11, {
      size: TITLE,
      colour: INK,
    }),
    ...legend(rows, frame, letters),
    ...axes(chart, x, y, area, letters),
    `<clipPath id="${id}"><rect ${box(area, 1)}/></clipPath>`,
    `<g clip-path="url(#${id})">`,
    ...(chart.levels ?? []).flatMap((level) => drawLevel(level, y, area, letters)),
    ...chart.series.flatMap((series, place) => drawSeries(series, lookOf(place), x, y)),
    "</g>",
  ].join("\n");
}

function verticalScale({ y, series, levels = [] }: Chart, span: readonly [number, number]): Scale {
  const values = series.flatMap(({ points }) =>
    points.flatMap(({ y, low = y, high = y }) => [y, low, high]),
  );
  const all = [...values, ...levels.map((level) => level.y)];
  return scaleOf(y, all, span, Math.max(2, (span[0] - span[1]) / TICK_Y), true);
}

function horizontalScale({ x, series }: Chart, span: readonly [number, number]): Scale {
  const values = series.flatMap(({ points }) => points.map((point) => point.x));
  const marked = series.some(({ kind = "line" }) => kind !== "line");
  return scaleOf(x, values, span, Math.max(2, (span[1] - span[0]) / TICK_X), marked);
}

function axes(chart: Chart, x: Scale, y: Scale, area: Frame, letters: Lettering): string[] {
  const { left, top, width, height } = area;
  const [right, bottom] = [left + width, top + height];
  const small = { size: TEXT, colour: SOFT };
  const middle = { ...small, anchor: "middle" as const };
  const drawn = [`<g stroke="${GRID}" stroke-width="1">`];
  for (const tick of y.ticks)
    drawn.push(`<path d="M${round(left)} ${round(y.at(tick))}H${right}"/>`);
  for (const tick of x.ticks)
    drawn.push(`<path d="M${round(x.at(tick))} ${round(top)}V${bottom}"/>`);
  drawn.push("</g>");
  for (const tick of y.ticks) {
    const setting = { ...small, anchor: "end" as const };
    drawn.push(letters(numberText(tick), left - 7, y.at(tick) + 4, setting));
  }
  for (const tick of x.ticks) {
    drawn.push(letters(numberText(tick), x.at(tick), bottom + LINE, middle));
  }
  const corner = `M${round(left)} ${round(top)}V${round(bottom)}H${round(right)}`;
  drawn.push(
    `<path d="${corner}" fill="none" stroke="${SOFT}" stroke-width="1"/>`,
    letters(chart.x.label, left + width / 2, bottom + 2 * LINE + 2, middle),
    letters(chart.y.label, left - 7 - widthBefore(y), top + height / 2, {
      ...middle,
      upright: true,
    }),
  );
  return drawn;
}

/** Pixels that the numbers of an upright axis take, and some white. */
function widthBefore({ ticks }: Scale): number {
  return ticks.reduce((most, t) => Math.max(most, textWidth(numberText(t), TEXT)), 0) + 8;
}

function drawLevel({ y: value, label }: Level, y: Scale, area: Frame, letters: Lettering) {
  const at = y.at(value);
  if (!Number.isFinite(at)) return [];
  const right = round(area.left + area.width);
  const setting = { size: TEXT, colour: INK, anchor: "end" as const };
  return [
    `<path d="M${round(area.left)} ${round(at)}H${right}" stroke="${INK}" stroke-width="1" ` +
      'stroke-dasharray="5 4"/>',
    // Above the line, where there is room.
    letters(label, right - 4, at - 5 < area.top + TEXT ? at + TEXT + 3 : at - 5, setting),
  ];
}

/** A name in the legend, and where it begins. */
interface Entry {
  series: Series;
  look: Look;
  left: number;
}

/** The names of all series in rows of that width; none where there is one series. */
function legendRows(series: readonly Series[], width: number): Entry[][] {
  if (series.length < 2) return [];
  const rows: Entry[][] = [[]];
  let left = 0;
  series.forEach((one, place) => {
    const own = SWATCH + 6 + textWidth(one.name, TEXT) + 18;
    if (left > 0 && left + own > width) {
      rows.push([]);
      left = 0;
    }
    rows.at(-1)!.push({ series: one, look: lookOf(place), left });
    left += own;
  });
  return rows;
}

function legend(rows: readonly Entry[][], frame: Frame, letters: Lettering): string[] {
  return rows.flatMap((entries, row) => {
    const y = frame.top + PADDING + TITLE + (row + 1) * LINE;
    return entries.flatMap(({ series: { name, kind = "line" }, look, left }) => {
      const x = frame.left + PADDING + left;
      const line = `<path d="M${round(x)} ${round(y - 4)}h${SWATCH}" ${stroke(look)}/>`;
      return [
        ...(kind === "marks" ? [] : [line]),
        ...(kind === "line" ? [] : [look.mark(x + SWATCH / 2, y - 4)]),
        letters(name, x + SWATCH + 6, y, { size: TEXT, colour: INK }),
      ];
    });
  });
}

function box({ left, top, width, height }: Frame, room: number): string {
  const [x, y] = [left - room, top - room].map(round);
  const [wide, high] = [width + 2 * room, height + 2 * room].map(round);
  return `x="${x}" y="${y}" width="${wide}" height="${high}"`;
}
