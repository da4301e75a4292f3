/** Charts as SVG and PNG, alike on every machine. */
import { rename, writeFile } from "node:fs/promises";
import sharp from "sharp";
import { checkWholeNumber } from "../core/checks.js";
import { requireFolderOf } from "../media/paths.js";
import { escaped, inFonts, inLines, type Lettering } from "./lettering.js";
import { drawChart } from "./panel.js";
import type { Figure } from "./types.js";

export type { Axis, Chart, Figure, Level, Point, Series } from "./types.js";

const [WIDTH, HEIGHT] = [720, 320];
const FONTS = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', sans-serif";

/** Pixels of a PNG for each of the figure's, for sharp screens. */
const DENSITY = 2;

/** SVG counts pixels at 72 to the inch. */
const INCH = 72;

/**
 * A figure as SVG, its text in the reader's fonts. Throws `BAD_INPUT` for ranges and sizes that
 * mean nothing.
 */
export function figureSvg(figure: Figure): string {
  return drawFigure(figure, inFonts);
}

/** A figure as the bytes of a PNG, twice as large for sharp screens. Needs no fonts. */
export async function figurePng(figure: Figure): Promise<Uint8Array> {
  const svg = Buffer.from(drawFigure(figure, inLines));
  return await sharp(svg, { density: INCH * DENSITY })
    .png({ palette: true })
    .toBuffer();
}

/** Writes `PATH.svg` and `PATH.png`, each whole or not at all. `NOT_FOUND` without its folder. */
export async function writeFigure(figure: Figure, path: string): Promise<void> {
  await requireFolderOf(path);
  await replace(`${path}.svg`, figureSvg(figure));
  await replace(`${path}.png`, await figurePng(figure));
}

function drawFigure(figure: Figure, letters: Lettering): string {
  const { charts, columns = 1, width = WIDTH, height = HEIGHT } = figure;
  checkWholeNumber("columns", columns, 1);
  checkWholeNumber("width", width, 200);
  checkWholeNumber("height", height, 150);
  const across = Math.min(columns, Math.max(1, charts.length));
  const [wide, high] = [across * width, Math.max(1, Math.ceil(charts.length / across)) * height];
  const name = escaped(charts.map(({ title }) => title).join("; "));
  const drawn = charts.map((chart, place) => {
    const [left, top] = [(place % across) * width, Math.floor(place / across) * height];
    return drawChart(chart, { left, top, width, height }, `area-${place}`, letters);
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${wide}" height="${high}" ` +
      `viewBox="0 0 ${wide} ${high}" role="img" font-family="${FONTS}">`,
    `<title>${name}</title>`,
    `<rect width="${wide}" height="${high}" fill="#ffffff"/>`,
    ...drawn,
    "</svg>\n",
  ].join("\n");
}

/** A reader never sees half a file. */
async function replace(path: string, contents: string | Uint8Array): Promise<void> {
  const fresh = `${path}.new`;
  await writeFile(fresh, contents);
  await rename(fresh, path);
}
