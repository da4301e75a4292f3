/** The checkpoint contract of `vit22b`, and the public layouts that are read as well. */
import type { Dialect, Rule, TensorIndex } from "../../core/weights.js";
import { bigVision } from "./big_vision.js";
import type { ViT22BConfig } from "./config.js";
import { timm } from "./timm.js";

/** Names of the native checkpoint; see the README of this folder for the shapes. */
export const NAMES = [
  ...weightAndBias("patch_embed"),
  "pos_embed",
  "cls_token",
  ...weightAndBias("blocks.{}.norm"),
  ...weightAndBias("blocks.{}.norm2"),
  ...["q", "k", "v", "out"].flatMap((part) => weightAndBias(`blocks.{}.attn.${part}`)),
  ...["q", "k"].flatMap((part) => weightAndBias(`blocks.{}.attn.${part}_norm`)),
  ...["fc1", "fc2"].flatMap((part) => weightAndBias(`blocks.{}.mlp.${part}`)),
  ...weightAndBias("norm"),
  "map.probe",
  ...["q", "k", "v", "out"].flatMap((part) => weightAndBias(`map.attn.${part}`)),
  ...weightAndBias("map.norm"),
  ...["fc1", "fc2"].flatMap((part) => weightAndBias(`map.mlp.${part}`)),
  ...weightAndBias("head"),
];

function weightAndBias(name: string): string[] {
  return [`${name}.weight`, `${name}.bias`];
}

/** Our own files: every tensor under the name of its parameter. */
export const native: Dialect<ViT22BConfig> = {
  name: "torchsight",
  detect: (tensors: TensorIndex) =>
    tensors.has("patch_embed.weight") || tensors.has("blocks.0.attn.q.weight"),
  rules: (): Rule[] => NAMES.map((name) => ({ to: name, from: name })),
};

/** In the order in which they are tried. */
export const dialects: readonly Dialect<ViT22BConfig>[] = [native, bigVision, timm];
