export { mergeAdapters } from "./adapters.js";
export type { BestOptions } from "./best.js";
export { type Best, bestCheckpoint, latestCheckpoint, type Saved } from "./checkpoint.js";
export type { DivergenceOptions } from "./divergence.js";
export type { EvaluationState, FitOptions } from "./fit.js";
export type { Batch, Loader } from "./loader.js";
export { type LockedOptions, lockedImages } from "./locked.js";
export type { Loss } from "./loss.js";
export type {
  AdapterOptions,
  DiffusionOptions,
  DistillationOptions,
  GroupOptions,
  NoiseScheduleOptions,
  OptimizerOptions,
  PlainTrainerOptions,
  ScheduleOptions,
  SmallVideoOptions,
  TrainerOptions,
} from "./options.js";
export type { SingleStep, Step } from "./step.js";
export { type SaveRunOptions, type Trainable, Trainer } from "./trainer.js";
