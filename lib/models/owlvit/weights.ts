/** The names of public checkpoints, which are our own too: what we save opens in transformers. */
import type { Dialect } from "../../core/weights.js";
import type { OwlViTConfig } from "./config.js";

const both = (name: string) => [`${name}.weight`, `${name}.bias`];

const LAYER = [
  ...["q", "k", "v", "out"].flatMap((part) => both(`self_attn.${part}_proj`)),
  ...["layer_norm1", "mlp.fc1", "mlp.fc2", "layer_norm2"].flatMap(both),
].map((name) => `encoder.layers.{}.${name}`);

const TEXT = [
  "embeddings.token_embedding.weight",
  "embeddings.position_embedding.weight",
  ...LAYER,
  ...both("final_layer_norm"),
].map((name) => `text_model.${name}`);

const VISION = [
  "embeddings.class_embedding",
  "embeddings.patch_embedding.weight",
  "embeddings.position_embedding.weight",
  ...both("pre_layernorm"),
  ...LAYER,
  ...both("post_layernorm"),
].map((name) => `vision_model.${name}`);

const TOWERS = [
  "logit_scale",
  "text_projection.weight",
  "visual_projection.weight",
  ...TEXT,
  ...VISION,
];

const MLP = ["dense0", "dense1", "dense2"];
const HEADS = [
  "layer_norm",
  ...["dense0", "logit_shift", "logit_scale"].map((part) => `class_head.${part}`),
  ...MLP.map((part) => `box_head.${part}`),
  ...MLP.map((part) => `objectness_head.${part}`),
].flatMap(both);

/** Every name of a model of that type. `{}` stands for the number of the layer. */
export function namesOf(type: OwlViTConfig["model_type"]): string[] {
  return [...TOWERS.map((name) => `${type}.${name}`), ...HEADS];
}

/** Files of transformers, old ones with their buffers and new ones without. */
export const transformers: Dialect<OwlViTConfig> = {
  name: "transformers",
  detect: (tensors) =>
    ["owlvit", "owlv2"].some((type) =>
      tensors.has(`${type}.vision_model.embeddings.class_embedding`),
    ),
  rules: (config) => namesOf(config.model_type).map((name) => ({ to: name, from: name })),
  ignores: () => (name) => name.endsWith(".position_ids") || name === "box_bias",
};

export const dialects: readonly Dialect<OwlViTConfig>[] = [transformers];
