/** COCO's measure of detection. */
import { averageScores, type PrecisionScores, scoreCategory } from "./average-precision.js";
import { type CellRules, cellsByCategory } from "./cells.js";
import { checkCocoDataset, checkResultsOf } from "./checks.js";
import type { CocoDataset, CocoResult } from "./coco.js";
import { MAX_DETECTIONS } from "./results.js";
import { type EvaluationOptions, select } from "./selection.js";

/** Scores from 0 to 1; -1 where there is no object to find. */
export interface CocoScores extends PrecisionScores {
  /** Share of the objects that is found with 1 detection per picture and category. */
  AR1: number;
  /** Share of the objects that is found with 10 detections per picture and category. */
  AR10: number;
  /** Share of the objects that is found with 100 detections per picture and category. */
  AR100: number;
}

/** COCO's twelve numbers, the means over the categories that have objects. */
export interface CocoMetrics extends CocoScores {
  /** The same of every category, in the order of their ids. */
  perCategory: (CocoScores & { id: number; name: string })[];
}

const RECALL_CUTS = { AR1: 1, AR10: 10, AR100: MAX_DETECTIONS.coco };

const RULES: CellRules = {
  maxDetections: MAX_DETECTIONS.coco,
  isCrowd: ({ iscrowd }) => Boolean(iscrowd),
  isIgnored: ({ iscrowd }) => Boolean(iscrowd),
  isLenient: () => false,
};

/**
 * Scores boxes as pycocotools' `COCOeval` does: Lin et al., "Microsoft COCO: Common Objects in
 * Context", arXiv 1405.0312, with the measures of the COCO detection challenge. It differs in one
 * case: an annotation whose id is 0 can be found here, but never there.
 *
 * Runs on the calling thread. Throws `BAD_INPUT` for what does not fit.
 *
 * @example
 * ```ts
 * const dataset = await readCocoDataset("instances_val2017.json");
 * const { AP, AP50, perCategory } = evaluateCoco(dataset, results);
 * ```
 */
export function evaluateCoco(
  groundTruth: CocoDataset,
  results: readonly CocoResult[],
  options: EvaluationOptions = {},
): CocoMetrics {
  checkCocoDataset(groundTruth);
  checkResultsOf(groundTruth, results);
  const selection = select(groundTruth, results, options);
  const cells = cellsByCategory(selection.annotations, selection.results, RULES);
  const perCategory = selection.categories.map(({ id, name }) => ({
    id,
    name,
    ...scoreCategory(cells.get(id) ?? [], RECALL_CUTS),
  }));
  return { ...averageScores(perCategory, scoreCategory([], RECALL_CUTS)), perCategory };
}
