import { defineSystem } from "../../core/systems.js";
import { parseConfig } from "./config.js";
import { dialects } from "./weights.js";

/** OWL-ViT and OWLv2, arXiv 2205.06230 and 2306.09683. */
export const system = defineSystem({ modelTypes: ["owlvit", "owlv2"], parseConfig, dialects });

export { type FromClipOptions, fromClip } from "./clip.js";
export * from "./config.js";
export type { Box, Detection, Proposal, ProposeOptions, SelectOptions } from "./detections.js";
export { ImageEmbedding, type ImageTensors, Queries } from "./embeddings.js";
export type { ExampleQuery, ExampleQueryOptions } from "./example.js";
export type { ImageOptions } from "./image_embedder.js";
export type { OwlViTQueries } from "./lists.js";
export type { OwlViTMethods } from "./methods.js";
export * from "./pipeline.js";
export type { Size } from "./processing.js";
export type { ProcessingOptions, Processor, Protocol, ResizeRule } from "./processor.js";
export { canonicalize, TEMPLATES, type Templates } from "./prompts.js";
export type { TextQueryOptions } from "./text_embedder.js";
