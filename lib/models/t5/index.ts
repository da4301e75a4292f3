import { defineSystem } from "../../core/systems.js";
import { parseConfig } from "./config.js";
import { dialects } from "./weights.js";

/** The encoder of T5 and T5 v1.1, arXiv 1910.10683. */
export const system = defineSystem({ modelTypes: ["t5"], parseConfig, dialects });

export * from "./config.js";
export type { T5Methods } from "./methods.js";
export * from "./pipeline.js";
