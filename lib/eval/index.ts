export type { PrecisionScores } from "./average-precision.js";
export {
  averagePrecision,
  type LabelPrecisions,
  meanAveragePrecision,
  topOneAccuracy,
} from "./classification.js";
export {
  type CocoAnnotation,
  type CocoBox,
  type CocoCategory,
  type CocoDataset,
  type CocoImage,
  type CocoResult,
  type LvisCategory,
  type LvisDataset,
  type LvisImage,
  readCocoDataset,
  readCocoResults,
  readLvisDataset,
  writeCocoResults,
} from "./coco.js";
export { type CocoMetrics, type CocoScores, evaluateCoco } from "./evaluate-coco.js";
export { evaluateLvis, type LvisMetrics, type LvisScores } from "./evaluate-lvis.js";
export { frechetDistance } from "./frechet.js";
export { LinearProbe, type LinearProbeOptions, linearProbe } from "./linear-probe.js";
export {
  type ClipPixels,
  type MovingShape,
  MovingShapesJudge,
  type MovingShapesOptions,
  type PlainMotion,
  type Verdict,
} from "./moving_shapes/index.js";
export {
  type ImageDetections,
  MAX_DETECTIONS,
  type ResultOptions,
  toCocoResults,
} from "./results.js";
export type { EvaluationOptions } from "./selection.js";
export { framePsnr, frameSsim } from "./video_quality.js";
