/** Names and shapes of all parameters, as checkpoints have them, without making a model. */
import { gridOf, type ViT22BConfig } from "./config.js";

/** A parameter's name and shape. Linear weights are [out, in]. */
export type ParameterShape = readonly [name: string, shape: readonly number[]];

/** Every parameter of a config. */
export function parameterShapes(config: ViT22BConfig): ParameterShape[] {
  const { hidden_size: d, patch_size: p, num_channels: channels, num_labels: labels } = config;
  const [rows, columns] = gridOf(config);
  return [
    ...linear("patch_embed", d, channels * p * p, true),
    ["pos_embed", [rows * columns, d]],
    ...when(config.class_token, ["cls_token", [1, d]]),
    ...Array.from({ length: config.num_hidden_layers }, (_, l) => block(config, l)).flat(),
    ...norm("norm", config),
    ...(config.pooling === "map" ? mapHead(config) : []),
    ...(labels > 0 ? linear("head", labels, d, true) : []),
  ];
}

function block(config: ViT22BConfig, layer: number): ParameterShape[] {
  const { hidden_size: d, intermediate_size: f, num_attention_heads: heads } = config;
  const name = `blocks.${layer}`;
  const scale = config.qk_norm_scale === "per_head" ? [heads, d / heads] : [d / heads];
  const qk = config.qk_norm !== "none";
  return [
    ...norm(`${name}.norm`, config),
    ...["q", "k", "v"].flatMap((part) => linear(`${name}.attn.${part}`, d, d, config.qkv_bias)),
    ...when(qk, [`${name}.attn.q_norm.weight`, scale]),
    ...when(qk, [`${name}.attn.k_norm.weight`, scale]),
    ...linear(`${name}.attn.out`, d, d, config.attention_out_bias),
    ...(config.block === "sequential" ? norm(`${name}.norm2`, config) : []),
    ...linear(`${name}.mlp.fc1`, f, d, config.mlp_bias),
    ...linear(`${name}.mlp.fc2`, d, f, config.mlp_bias),
  ];
}

function mapHead(config: ViT22BConfig): ParameterShape[] {
  const { hidden_size: d, intermediate_size: f } = config;
  return [
    ["map.probe", [1, d]],
    ...["q", "k", "v", "out"].flatMap((part) => linear(`map.attn.${part}`, d, d, true)),
    ...norm("map.norm", config),
    ...linear("map.mlp.fc1", f, d, true),
    ...linear("map.mlp.fc2", d, f, true),
  ];
}

function linear(name: string, out: number, from: number, bias: boolean): ParameterShape[] {
  return [[`${name}.weight`, [out, from]], ...when(bias, [`${name}.bias`, [out]])];
}

function norm(name: string, { norm, hidden_size: d }: ViT22BConfig): ParameterShape[] {
  return [[`${name}.weight`, [d]], ...when(norm === "layernorm", [`${name}.bias`, [d]])];
}

function when(condition: boolean, parameter: ParameterShape): ParameterShape[] {
  return condition ? [parameter] : [];
}
