/** Checks of annotations and results, which come from files that others wrote. */
import { invalidArgument } from "../core/errors.js";
import type { CocoDataset, CocoResult, LvisDataset } from "./coco.js";

type Row = Readonly<Record<string, unknown>>;
type Test = (value: unknown) => boolean;

/** One list of a file: what does not fit is reported by row and field. */
class Table {
  readonly #name: string;
  readonly #source: string;
  readonly #rows: readonly Row[];

  constructor(rows: unknown, name: string, source: string) {
    if (!Array.isArray(rows)) throw invalidArgument(`${name} of ${source}`, "a list", rows);
    const odd = rows.findIndex((row) => typeof row !== "object" || row === null);
    if (odd >= 0) throw invalidArgument(`${name}[${odd}] of ${source}`, "an object", rows[odd]);
    this.#name = name;
    this.#source = source;
    this.#rows = rows;
  }

  /** Checks one field of every row. */
  check(field: string, expected: string, test: Test): this {
    for (const [index, row] of this.#rows.entries()) {
      if (test(row[field])) continue;
      const name = `${this.#name}[${index}].${field} of ${this.#source}`;
      throw invalidArgument(name, expected, row[field]);
    }
    return this;
  }

  /** The ids of the rows, which must differ. */
  ids(): ReadonlySet<unknown> {
    const ids = new Set<unknown>();
    this.check("id", "an integer", Number.isSafeInteger);
    this.check("id", "an id of its own", (id) => ids.size < ids.add(id).size);
    return ids;
  }
}

const isBox: Test = (value) =>
  Array.isArray(value) &&
  value.length === 4 &&
  value.every(Number.isFinite) &&
  value[2] >= 0 &&
  value[3] >= 0;
const BOX = "[x, y, width, height] in pixels";
const isArea: Test = (value) =>
  value === undefined || (Number.isFinite(value) && Number(value) >= 0);
const isFlag: Test = (value) => [undefined, 0, 1, false, true].includes(value as 0);
const isIdList: Test = (value) => Array.isArray(value) && value.every(Number.isSafeInteger);

/** `value` as annotations in COCO's format. Throws `BAD_INPUT`, naming `source`. */
export function checkCocoDataset(value: unknown, source = "the ground truth"): CocoDataset {
  if (typeof value !== "object" || value === null) {
    throw invalidArgument(source, "an object with images, categories and annotations", value);
  }
  const dataset = value as Row;
  const images = new Table(dataset.images, "images", source).ids();
  const categories = new Table(dataset.categories, "categories", source)
    .check("name", "a name", (name) => typeof name === "string")
    .ids();
  new Table(dataset.annotations, "annotations", source)
    .check("image_id", "the id of one of the images", (id) => images.has(id))
    .check("category_id", "the id of one of the categories", (id) => categories.has(id))
    .check("bbox", BOX, isBox)
    .check("area", "a number of pixels", isArea)
    .check("iscrowd", "0 or 1", isFlag)
    .check("ignore", "0 or 1", isFlag)
    .ids();
  return value as CocoDataset;
}

/** `value` as annotations in LVIS's format. Throws `BAD_INPUT`, naming `source`. */
export function checkLvisDataset(value: unknown, source = "the ground truth"): LvisDataset {
  const dataset = checkCocoDataset(value, source);
  new Table(dataset.images, "images", source)
    .check("neg_category_ids", "a list of ids", isIdList)
    .check("not_exhaustive_category_ids", "a list of ids", isIdList);
  new Table(dataset.categories, "categories", source).check("frequency", "r, c or f", (value) =>
    ["r", "c", "f"].includes(value as string),
  );
  return dataset as LvisDataset;
}

/** `value` as a list of results. Throws `BAD_INPUT`, naming `source`. */
export function checkCocoResults(value: unknown, source = "the results"): CocoResult[] {
  new Table(value, "entries", source)
    .check("image_id", "an integer", Number.isSafeInteger)
    .check("category_id", "an integer", Number.isSafeInteger)
    .check("bbox", BOX, isBox)
    .check("score", "a number", Number.isFinite);
  return value as CocoResult[];
}

/**
 * Checks that results belong to `dataset`: with the ids of another one every score would be too
 * low, and nothing would say so. Throws `BAD_INPUT`.
 */
export function checkResultsOf(dataset: CocoDataset, results: readonly CocoResult[]): void {
  checkCocoResults(results);
  const images = new Set<unknown>(dataset.images.map(({ id }) => id));
  const categories = new Set<unknown>(dataset.categories.map(({ id }) => id));
  new Table(results, "entries", "the results")
    .check("image_id", "the id of an image of the ground truth", (id) => images.has(id))
    .check("category_id", "the id of a category of the ground truth", (id) => categories.has(id));
}
