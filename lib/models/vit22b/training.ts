import { badField } from "../../core/config.js";
import type { TrainableSystem } from "../../recipes/trainable.js";
import { gridOf, imageSides, parseConfig, type ViT22BConfig } from "./config.js";
import { planOf } from "./plan.js";
import { parameterShapes } from "./shapes.js";

/** What recipes must know of ViT-22B's family. */
export const training: TrainableSystem<ViT22BConfig> = {
  name: "vit22b",
  recipe: "vit22b/shapes",
  parseConfig,
  parameterShapes,
  inputSize: imageSides,

  tokens(config) {
    const [rows, columns] = gridOf(config);
    return rows * columns + (config.class_token ? 1 : 0);
  },

  flops: (config) => planOf(config).flops,

  loss: ({ loss }) => loss,

  withLabels(config, labels, renew) {
    const { num_labels: count } = config;
    if (!renew && count > 0 && count !== labels.length) {
      throw badField("model.num_labels", `${labels.length}, the labels of the data,`, count);
    }
    const id2label = Object.fromEntries(labels.entries());
    return parseConfig({ ...config, num_labels: labels.length, id2label });
  },
};
