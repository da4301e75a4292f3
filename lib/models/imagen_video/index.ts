import { defineSystem } from "../../core/systems.js";
import { parseConfig } from "./config.js";
import { dialects } from "./weights.js";

/** Stages of Imagen Video's cascade, arXiv 2210.02303. */
export const system = defineSystem({ modelTypes: ["imagen_video_unet"], parseConfig, dialects });

export * from "./caption_features.js";
export * from "./cascade_config.js";
export * from "./cascade_layouts.js";
export * from "./config.js";
export { type ClipSize, flopsOf } from "./flops.js";
export type { ImagenVideoMethods, PredictInputs, SampleArgs, SampleInputs } from "./methods.js";
export * from "./pipeline.js";
export { fromFrames, toFrames } from "./processing.js";
export { training } from "./training.js";
