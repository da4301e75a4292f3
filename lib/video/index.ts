/** Cascades: a sentence to a video. */
export {
  type CascadeLoadOptions,
  VideoCascade,
  type VideoJob,
} from "./cascade.js";
export type {
  CascadeOptions,
  GenerateVideoOptions,
  KnownVideo,
  StageSettings,
  TextEmbedding,
  UpscaleOptions,
  VideoPrompt,
  VideoSource,
} from "./options.js";
export { type PlannedStage, planStages } from "./plan.js";
export type { CascadeProgress } from "./progress.js";
export { GeneratedVideo, type SaveVideoOptions, type StageReport } from "./result.js";
export type { VideoPreview } from "./run.js";
