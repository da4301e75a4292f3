/** What a ViT-22B costs each rank of a mesh: on paper, and as a dry run counts it. */
import { checkOneOf, checkWholeNumber } from "../../core/checks.js";
import { badField } from "../../core/config.js";
import { LAYOUTS, type Layout, MODULE_DTYPES, type ModuleDType } from "../../core/load.js";
import { native } from "../../core/runtime.js";
import { gridOf, type ViT22BConfig } from "./config.js";
import { params } from "./params.js";

/** How a model is to be run. */
export interface PlanOptions {
  /** Ranks that share one replica. Default 1. */
  tensorParallel?: number | undefined;
  /** Replicas. Default 1. */
  dataParallel?: number | undefined;
  /** Default `tokens`. */
  layout?: Layout | undefined;
  /** Default `bfloat16`. */
  dtype?: ModuleDType | undefined;
  /** In which partial sums travel: `float32`, or the dtype. Default `float32`. */
  reduceDtype?: ModuleDType | undefined;
  /** Pictures of a call, over all replicas. Default: one for each. */
  batch?: number | undefined;
}

/** Messages of one kind that a rank sends in a call, and their bytes. */
export interface Traffic {
  calls: number;
  bytes: number;
}

/** What one rank needs for one call of `encode`. */
export interface Plan {
  ranks: number;
  tensorParallel: number;
  dataParallel: number;
  layout: Layout;
  dtype: ModuleDType;
  /** Pictures of this rank's replica. */
  batch: number;
  /** Tokens of a picture, and as padded for the layout `tokens`. */
  tokens: number;
  paddedTokens: number;
  /** Numbers that the rank holds, and their bytes. */
  parameters: number;
  parameterBytes: number;
  /**
   * Bytes of the largest activations that are there together: stream, norm, MLP and heads, summands
   * of a layer; or stream, keys and values of the pooling head, which every rank has whole.
   */
  activationBytes: number;
  /** Floating-point operations: two for each multiplication with its addition. */
  flops: number;
  /** By kind: `ring` (products that travel), `all_gather`, `all_reduce`. */
  traffic: Record<string, Traffic>;
}

const BYTES: Readonly<Record<ModuleDType, number>> = {
  float32: 4,
  bfloat16: 2,
  float16: 2,
  float64: 8,
};

/**
 * The plan of a config on paper. Throws `BAD_INPUT` for options that mean nothing, and `BAD_CONFIG`
 * where heads or hidden units do not divide by the ranks of a replica.
 */
export function planOf(config: ViT22BConfig, options: PlanOptions = {}): Plan {
  const { tensorParallel: t = 1, dataParallel = 1, layout = "tokens" } = options;
  const { dtype = "bfloat16", reduceDtype = "float32", batch = dataParallel } = options;
  checkWholeNumber("tensorParallel", t, 1);
  checkWholeNumber("dataParallel", dataParallel, 1);
  checkWholeNumber("batch", batch, 1);
  checkOneOf("layout", layout, LAYOUTS);
  checkOneOf("dtype", dtype, MODULE_DTYPES);
  checkOneOf("reduceDtype", reduceDtype, ["float32", dtype]);
  for (const field of ["num_attention_heads", "intermediate_size"] as const) {
    if (config[field] % t === 0) continue;
    const expected = `a multiple of ${t} (the ranks of tensor parallelism)`;
    throw badField(field, expected, config[field]);
  }
  const { hidden_size: d, intermediate_size: f, num_hidden_layers: layers } = config;
  const [rows, columns] = gridOf(config);
  const tokens = rows * columns + (config.class_token ? 1 : 0);
  const paddedTokens = layout === "tokens" ? Math.ceil(tokens / t) * t : tokens;
  const own = Math.ceil(batch / dataParallel);
  const stream = own * paddedTokens * d;
  const [bytes, sumBytes] = [BYTES[dtype], Math.max(BYTES[reduceDtype], BYTES[dtype])];
  const parameters = heldBy(config, t);
  const local = layout === "replicated" ? stream : stream / t;
  const hidden = (own * paddedTokens * (f + 3 * d)) / t;
  // Products with blocks of features are summed up, which half precision is too narrow for.
  const summed = layout === "features" && t > 1 ? sumBytes : bytes;
  const wide = (2 * local + 0.5 * hidden + stream) * bytes + hidden * summed;
  // The fused product and its keys and values by heads.
  const pooling = config.pooling === "map" ? 5 * own * tokens * d : 0;
  return {
    ranks: t * dataParallel,
    tensorParallel: t,
    dataParallel,
    layout,
    dtype,
    batch: own,
    tokens,
    paddedTokens,
    parameters,
    parameterBytes: parameters * bytes,
    activationBytes: Math.max(wide + local * sumBytes, pooling * bytes),
    flops: flopsOf(config, own, tokens, paddedTokens) / t + replicatedFlops(config, own, tokens),
    traffic: t === 1 ? {} : trafficOf(config, { t, layout, own, stream, bytes, sumBytes, layers }),
  };
}

/** The same plan's memory and messages as counted on the meta device, over c10d's fake group. */
export function dryRun(config: ViT22BConfig, options: PlanOptions = {}, rank = 0) {
  const plan = planOf(config, options);
  const { image_size: size, num_channels: channels } = config;
  const [height, width] = typeof size === "number" ? [size, size] : size;
  const shape = [plan.batch, channels, height, width];
  const request = {
    config,
    dtype: plan.dtype,
    extra: { layout: plan.layout, overlap: "ring", reduceDtype: options.reduceDtype ?? "float32" },
    ranks: plan.tensorParallel,
    rank,
    method: "encode",
    inputs: [{ name: "pixel_values", dtype: "float32", shape }],
  };
  const counted = JSON.parse(native().dryRun(JSON.stringify(request)));
  return counted as Pick<Plan, "parameters" | "parameterBytes" | "traffic">;
}

/** Numbers of one of `t` ranks: matrices of layers, and what is cut with them, are shared. */
function heldBy(config: ViT22BConfig, t: number): number {
  const { hidden_size: d, intermediate_size: f, num_hidden_layers: layers } = config;
  const perHead = config.qk_norm !== "none" && config.qk_norm_scale === "per_head";
  const cut = 4 * d * d + 2 * d * f + (config.mlp_bias ? f : 0) + (config.qkv_bias ? 3 * d : 0);
  const shared = layers * (cut + (perHead ? 2 * d : 0));
  return params(config).total - shared + shared / t;
}

/** Of all layers: matrices, which see padding too, and products of queries, keys and values. */
function flopsOf(config: ViT22BConfig, batch: number, tokens: number, padded: number): number {
  const { hidden_size: d, intermediate_size: f, num_hidden_layers: layers } = config;
  return batch * layers * (padded * 2 * (4 * d * d + 2 * d * f) + tokens * 4 * tokens * d);
}

/** Of what every rank computes: patches, and the pooling head, whose keys are all tokens. */
function replicatedFlops(config: ViT22BConfig, batch: number, tokens: number): number {
  const { hidden_size: d, intermediate_size: f, patch_size: p, num_channels: c } = config;
  const pooling = config.pooling === "map" ? tokens * 4 * d * d + 4 * d * d + 4 * d * f : 0;
  return batch * (2 * tokens * c * p * p * d + pooling);
}

interface Sizes {
  t: number;
  layout: Layout;
  own: number;
  stream: number;
  bytes: number;
  sumBytes: number;
  layers: number;
}

function trafficOf(config: ViT22BConfig, sizes: Sizes): Record<string, Traffic> {
  const { t, layout, stream, bytes, sumBytes, layers } = sizes;
  const pairs = layers * (config.block === "sequential" ? 2 : 1);
  const summed = (count: number) => Math.floor((2 * (t - 1) * count * 4) / t);
  // Before every layer ranks send whether to go on.
  const agreeing = { calls: layers, bytes: layers * summed(1) };
  if (layout === "replicated") {
    const one = Math.floor((2 * (t - 1) * stream * sumBytes) / t);
    return {
      all_reduce: { calls: agreeing.calls + pairs, bytes: agreeing.bytes + pairs * one },
    };
  }
  const ring = {
    calls: 2 * pairs * (t - 1),
    bytes: (pairs * (t - 1) * stream * (bytes + sumBytes)) / t,
  };
  const all_gather = { calls: 1, bytes: ((t - 1) * stream * bytes) / t };
  if (layout === "tokens") return { ring, all_gather, all_reduce: agreeing };
  // A norm sums one number of each token over the ranks, two where it centres; one is the last.
  const norms = (pairs + 1) * (config.norm === "rmsnorm" ? 1 : 2);
  return {
    ring,
    all_gather,
    all_reduce: {
      calls: agreeing.calls + norms,
      bytes: agreeing.bytes + norms * summed(stream / config.hidden_size),
    },
  };
}
