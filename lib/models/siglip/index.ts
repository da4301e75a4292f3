import { defineSystem } from "../../core/systems.js";
import { MODEL_TYPES, parseConfig } from "./config.js";
import { dialects } from "./weights.js";

/** SigLIP and SigLIP 2, arXiv 2303.15343 and 2502.14786. */
export const system = defineSystem({ modelTypes: MODEL_TYPES, parseConfig, dialects });

export * from "./config.js";
export type { SiglipMethods, SiglipTowerMethods } from "./methods.js";
export * from "./pipeline.js";
export type { FixedProcessor, FlexibleProcessor, Processor } from "./processing.js";
export type { TextOptions } from "./texts.js";
