import { native } from "../../core/runtime.js";
import type { ModuleDescription } from "../../core/schema.js";
import type { TrainableStages } from "../../recipes/trainable.js";
import { type ImagenVideoConfig, parseConfig } from "./config.js";

/** What recipes must know of the stages of a cascade. */
export const training: TrainableStages<ImagenVideoConfig> = {
  name: "imagen-video",
  recipe: "imagen_video/base",
  kind: "stages",
  parseConfig,

  parameterShapes(config) {
    const described = native().describeModel(JSON.stringify(config));
    const { parameters } = JSON.parse(described) as ModuleDescription;
    return parameters.map(({ name, shape }) => [name, shape] as const);
  },

  takesGuidance: ({ guidance_input }) => guidance_input,

  withGuidance: (config) => parseConfig({ ...config, guidance_input: true }),

  textWidth: ({ text_width }) => text_width,
};
