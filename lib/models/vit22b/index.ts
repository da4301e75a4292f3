import { defineSystem } from "../../core/systems.js";
import { parseConfig } from "./config.js";
import { dialects } from "./weights.js";

/** Dehghani et al., "Scaling Vision Transformers to 22 Billion Parameters", arXiv 2302.05442. */
export const system = defineSystem({ modelTypes: ["vit22b"], parseConfig, dialects });

export * from "./config.js";
export * from "./params.js";
export * from "./pipeline.js";
export * from "./plan.js";
export type { ProcessingOptions } from "./processing.js";
export * from "./shapes.js";
export { training } from "./training.js";
