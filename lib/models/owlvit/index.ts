import { defineSystem } from "../../core/systems.js";
import { parseConfig } from "./config.js";
import { dialects } from "./weights.js";

/** OWL-ViT and OWLv2, arXiv 2205.06230 and 2306.09683. */
export const system = defineSystem({ modelTypes: ["owlvit", "owlv2"], parseConfig, dialects });

export * from "./config.js";
