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

export type { DetectedText, SegmentedObject, SegmentedText } from "./answers.js";
export * from "./config.js";
export { ImageFeatures, type PaliGemmaImage } from "./features.js";
export { MaskCodec } from "./mask_codec.js";
export { cutMask, type PastedMask, pasteMask } from "./masks.js";
export type { PaliGemmaMethods } from "./methods.js";
export type { FoundObject, InvalidPlace } from "./objects.js";
export type {
  ImageOptions,
  PaliGemmaLoadOptions,
  PromptOptions,
  TaskOptions,
} from "./options.js";
export * from "./pipeline.js";
export type { Filter, Processor } from "./processing.js";
export type { PaliGemmaInput } from "./requests.js";
