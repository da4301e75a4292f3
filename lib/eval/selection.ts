/** Which part of a data set is scored. */
import { invalidArgument } from "../core/errors.js";
import type { CocoAnnotation, CocoDataset, CocoResult } from "./coco.js";

/** What is scored; all that the ground truth holds where nothing is said. */
export interface EvaluationOptions {
  /** Pictures to score, e.g. those that a quick run has covered. */
  imageIds?: readonly number[] | undefined;
  /** Categories to score, e.g. those that were never trained on. */
  categoryIds?: readonly number[] | undefined;
}

/** The part that is scored, the categories in the order of their ids. */
export interface Selection<Dataset extends CocoDataset> {
  images: Dataset["images"];
  categories: Dataset["categories"];
  annotations: readonly CocoAnnotation[];
  results: readonly CocoResult[];
}

/** The part of ground truth and results that `options` name. Throws `BAD_INPUT` for unknown ids. */
export function select<Dataset extends CocoDataset>(
  groundTruth: Dataset,
  results: readonly CocoResult[],
  options: EvaluationOptions,
): Selection<Dataset> {
  const images = selected(groundTruth.images, options.imageIds, "imageIds");
  const categories = selected(groundTruth.categories, options.categoryIds, "categoryIds");
  const imageIds = new Set(images.map(({ id }) => id));
  const categoryIds = new Set(categories.map(({ id }) => id));
  const isSelected = (row: CocoAnnotation | CocoResult): boolean =>
    imageIds.has(row.image_id) && categoryIds.has(row.category_id);
  return {
    images,
    categories: [...categories].sort((a, b) => a.id - b.id),
    annotations: groundTruth.annotations.filter(isSelected),
    results: results.filter(isSelected),
  };
}

function selected<Row extends { readonly id: number }>(
  rows: readonly Row[],
  ids: readonly number[] | undefined,
  name: string,
): readonly Row[] {
  if (ids === undefined) return rows;
  const known = new Set(rows.map(({ id }) => id));
  const unknown = ids.find((id) => !known.has(id));
  if (unknown !== undefined) throw invalidArgument(name, "ids of the ground truth", unknown);
  const wanted = new Set(ids);
  return rows.filter(({ id }) => wanted.has(id));
}
