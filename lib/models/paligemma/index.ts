import { objectOf } from "../../core/config.js";
import { defineSystem } from "../../core/systems.js";
import { bigVision } from "./big_vision.js";
import { type PaliGemmaConfig, parseConfig } from "./config.js";
import { type MaskConfig, maskSystem } from "./mask_config.js";
import { dialects } from "./weights.js";

/** PaliGemma and PaliGemma 2, arXiv 2407.07726 and 2412.03555, and the codec of their masks. */
export const system = defineSystem<PaliGemmaConfig | MaskConfig>({
  modelTypes: ["paligemma", ...maskSystem.modelTypes],
  parseConfig: (input) =>
    maskSystem.modelTypes.some((type) => type === objectOf(input, "the config").model_type)
      ? maskSystem.parseConfig(input)
      : parseConfig(input),
  dialects: [...dialects, bigVision, ...maskSystem.dialects],
});

export * from "./config.js";
