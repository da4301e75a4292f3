export { latestCheckpoint, type Saved } from "./checkpoint.js";
export type { Batch, Loader } from "./loader.js";
export type { GroupOptions, OptimizerOptions, ScheduleOptions, TrainerOptions } from "./options.js";
export { type FitOptions, type Step, Trainer } from "./trainer.js";
