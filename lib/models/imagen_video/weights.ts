/** No weights of Imagen Video are public: the one naming is our own, for what is trained here. */
import type { Dialect, TensorIndex } from "../../core/weights.js";
import type { ImagenVideoConfig } from "./config.js";

/** Every tensor of the file under its own name; what is missing or left over is told by loading. */
export const own: Dialect<ImagenVideoConfig> = {
  name: "torchsight",
  detect: (tensors) => tensors.has("in_conv.weight"),
  rules: (_config, tensors: TensorIndex) =>
    [...tensors.keys()].map((name) => ({ to: name, from: name })),
};

export const dialects: readonly Dialect<ImagenVideoConfig>[] = [own];
