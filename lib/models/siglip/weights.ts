/**
 * The names of public checkpoints, which are our own too: what we save opens in transformers. A
 * tower by itself has them without a prefix in transformers 5, and with its prefix in older files.
 */
import type { Dialect, TensorIndex } from "../../core/weights.js";
import type { SiglipConfig } from "./config.js";

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
  ...both("head"),
];

const VISION = [
  ...both("embeddings.patch_embedding"),
  "embeddings.position_embedding.weight",
  ...LAYER,
  ...both("post_layernorm"),
  "head.probe",
  "head.attention.in_proj_weight",
  "head.attention.in_proj_bias",
  ...["attention.out_proj", "layernorm", "mlp.fc1", "mlp.fc2"].flatMap((part) =>
    both(`head.${part}`),
  ),
];

const PREFIX = { vision: "vision_model.", text: "text_model." };

/** Which of the towers a model type has. */
export function towersOf(type: SiglipConfig["model_type"]): { vision: boolean; text: boolean } {
  const alone = /_(vision|text)_model$/.exec(type)?.[1];
  return { vision: alone !== "text", text: alone !== "vision" };
}

/** Our own names of a model of that type. */
export function namesOf(type: SiglipConfig["model_type"]): string[] {
  const { vision, text } = towersOf(type);
  if (!vision) return TEXT;
  if (!text) return VISION;
  const prefixed = (names: readonly string[], prefix: string) => names.map((name) => prefix + name);
  return [
    "logit_scale",
    "logit_bias",
    ...prefixed(TEXT, PREFIX.text),
    ...prefixed(VISION, PREFIX.vision),
  ];
}

const hasPrefix = (tensors: TensorIndex) =>
  tensors.has(`${PREFIX.vision}embeddings.position_embedding.weight`) ||
  tensors.has(`${PREFIX.text}embeddings.position_embedding.weight`);

/** The prefix of a tower by itself. */
function prefixOf(type: SiglipConfig["model_type"], tensors: TensorIndex): string {
  const { vision, text } = towersOf(type);
  if ((vision && text) || !hasPrefix(tensors)) return "";
  return vision ? PREFIX.vision : PREFIX.text;
}

/** Files of transformers. Of a file with both towers, the one that is asked for alone is taken. */
export const transformers: Dialect<SiglipConfig> = {
  name: "transformers",
  detect: (tensors) => hasPrefix(tensors) || tensors.has("embeddings.position_embedding.weight"),
  rules: ({ model_type: type }, tensors) => {
    const prefix = prefixOf(type, tensors);
    return namesOf(type).map((to) => ({ to, from: prefix + to }));
  },
  ignores: (tensors, { model_type: type }) => {
    const prefix = prefixOf(type, tensors);
    return (name) => name.endsWith(".position_ids") || !name.startsWith(prefix);
  },
};

export const dialects: readonly Dialect<SiglipConfig>[] = [transformers];
