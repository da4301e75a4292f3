/** How many parameters a config comes to, item by item. */
import { gridOf, type ViT22BConfig } from "./config.js";

/** Counts of single numbers. `total` is the sum of all others. */
export interface ParameterCount {
  /** Attention and MLP matrices of all layers: L(4d² + 2dF), the figure that papers quote. */
  kernels: number;
  /** Biases of all layers. */
  biases: number;
  /** Scales (and biases) of the layers' norms, those of queries and keys among them. */
  norms: number;
  patchEmbedding: number;
  positions: number;
  classToken: number;
  finalNorm: number;
  mapHead: number;
  head: number;
  total: number;
}

/** Itemised counts. Published totals differ in what they count, so each item stands by itself. */
export function params(config: ViT22BConfig): ParameterCount {
  const d = config.hidden_size;
  const f = config.intermediate_size;
  const layers = config.num_hidden_layers;
  const norm = config.norm === "layernorm" ? 2 * d : d;
  const [rows, columns] = gridOf(config);
  const counts = {
    kernels: layers * (4 * d * d + 2 * d * f),
    biases: layers * biasesOfLayer(config),
    norms: layers * ((config.block === "sequential" ? 2 : 1) * norm + qkNorms(config)),
    patchEmbedding: config.num_channels * config.patch_size ** 2 * d + d,
    positions: rows * columns * d,
    classToken: config.class_token ? d : 0,
    finalNorm: norm,
    // Probe, four projections with biases, norm, and an MLP with biases.
    mapHead: config.pooling === "map" ? d + 4 * (d * d + d) + norm + 2 * d * f + f + d : 0,
    head: config.num_labels * (d + 1),
  };
  const total = Object.values(counts).reduce((sum, count) => sum + count, 0);
  return { ...counts, total };
}

function biasesOfLayer(config: ViT22BConfig): number {
  const { hidden_size: d, intermediate_size: f } = config;
  return (
    (config.qkv_bias ? 3 * d : 0) +
    (config.attention_out_bias ? d : 0) +
    (config.mlp_bias ? f + d : 0)
  );
}

function qkNorms(config: ViT22BConfig): number {
  if (config.qk_norm === "none") return 0;
  const { hidden_size: d, num_attention_heads: heads } = config;
  return 2 * (config.qk_norm_scale === "per_head" ? d : d / heads);
}
