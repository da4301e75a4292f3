import { defineSystem } from "../../core/systems.js";
import { parseConfig } from "./config.js";
import { dialects } from "./weights.js";

/** Gemma and Gemma 2, arXiv 2403.08295 and 2408.00118. */
export const system = defineSystem({ modelTypes: ["gemma", "gemma2"], parseConfig, dialects });

export * from "./config.js";
export type { GemmaMethods } from "./methods.js";
export * from "./pipeline.js";
