/** LVIS's measure of detection, where no picture is annotated with all categories. */
import { averageScores, type PrecisionScores, scoreCategory } from "./average-precision.js";
import { bestOf } from "./best.js";
import { boxArea, type CellRules, cellsByCategory, objectArea } from "./cells.js";
import { checkLvisDataset, checkResultsOf } from "./checks.js";
import type { CocoAnnotation, CocoResult, LvisCategory, LvisDataset } from "./coco.js";
import { MAX_DETECTIONS } from "./results.js";
import { type EvaluationOptions, select } from "./selection.js";

/** Scores from 0 to 1; -1 where there is no object to find. */
export interface LvisScores extends PrecisionScores {
  /** Share of the objects that is found with 300 detections per picture. */
  AR300: number;
}

/** LVIS's numbers, the means over the categories that have objects. */
export interface LvisMetrics extends LvisScores {
  /** AP of the rare categories. */
  APr: number;
  /** AP of the common categories. */
  APc: number;
  /** AP of the frequent categories. */
  APf: number;
  /** The scores of every category, in the order of their ids. */
  perCategory: (LvisScores & Pick<LvisCategory, "id" | "name" | "frequency">)[];
}

const RECALL_CUTS = { AR300: MAX_DETECTIONS.lvis };

/**
 * Scores boxes as the `lvis` package's `LVISEval` does: Gupta et al., "LVIS: A Dataset for Large
 * Vocabulary Instance Segmentation", arXiv 1908.03195. Of each picture the 300 best detections
 * count, over all categories. Detections of a category that is neither annotated in the picture nor
 * known to be absent are left out, as are false ones where the annotation is not exhaustive. Boxes
 * and objects of no area take no part, and there are no crowds. It differs in one case: an
 * annotation whose id is 0 can be found here, but never there.
 *
 * Runs on the calling thread. Throws `BAD_INPUT` for what does not fit.
 */
export function evaluateLvis(
  groundTruth: LvisDataset,
  results: readonly CocoResult[],
  options: EvaluationOptions = {},
): LvisMetrics {
  checkLvisDataset(groundTruth);
  checkResultsOf(groundTruth, results);
  // The limit comes first: it counts what is left out later.
  const selection = select(groundTruth, bestPerImage(results), options);
  const { images, categories } = selection;
  const annotations = selection.annotations.filter((annotation) => objectArea(annotation) > 0);
  const counted = federated(images, annotations, selection.results);
  const cells = cellsByCategory(annotations, counted, rulesFor(images));
  const perCategory = categories.map(({ id, name, frequency }) => ({
    id,
    name,
    frequency,
    ...scoreCategory(cells.get(id) ?? [], RECALL_CUTS),
  }));
  const none = scoreCategory([], RECALL_CUTS);
  const ofFrequency = (wanted: LvisCategory["frequency"]): number =>
    averageScores(
      perCategory.filter(({ frequency }) => frequency === wanted),
      none,
    ).AP;
  return {
    ...averageScores(perCategory, none),
    APr: ofFrequency("r"),
    APc: ofFrequency("c"),
    APf: ofFrequency("f"),
    perCategory,
  };
}

/** The best detections of every picture, whatever their categories. */
function bestPerImage(results: readonly CocoResult[]): CocoResult[] {
  const images = new Map<number, CocoResult[]>();
  for (const result of results) {
    const image = images.get(result.image_id);
    if (image === undefined) images.set(result.image_id, [result]);
    else image.push(result);
  }
  return [...images.values()].flatMap((image) => bestOf(image, MAX_DETECTIONS.lvis));
}

/** The results of some area about whose category something is known in their picture. */
function federated(
  images: LvisDataset["images"],
  annotations: readonly CocoAnnotation[],
  results: readonly CocoResult[],
): CocoResult[] {
  const known = idsByImage(images, "neg_category_ids");
  for (const { image_id, category_id } of annotations) known.get(image_id)?.add(category_id);
  return results.filter(
    (result) => boxArea(result) > 0 && known.get(result.image_id)?.has(result.category_id),
  );
}

function rulesFor(images: LvisDataset["images"]): CellRules {
  const partial = idsByImage(images, "not_exhaustive_category_ids");
  return {
    maxDetections: MAX_DETECTIONS.lvis,
    isCrowd: () => false,
    isIgnored: ({ ignore }) => Boolean(ignore),
    isLenient: (image, category) => partial.get(image)?.has(category) === true,
  };
}

/** The category ids that a picture lists in `field`, by the picture's id. */
function idsByImage(
  images: LvisDataset["images"],
  field: "neg_category_ids" | "not_exhaustive_category_ids",
): Map<number, Set<number>> {
  return new Map(images.map((image) => [image.id, new Set(image[field])]));
}
