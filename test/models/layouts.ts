/** Names and shapes of public checkpoint layouts, for configs of any size. */
import type { TensorIndex } from "../../lib/core/weights.js";
import { gridOf, type ViT22BConfig } from "../../lib/models/vit22b/config.js";

export type Shapes = Record<string, number[]>;

/** A checkpoint's index out of names and shapes. */
export function indexOf(shapes: Shapes, file = "/checkpoint"): TensorIndex {
  const entries = Object.entries(shapes).map(
    ([name, shape]) => [name, { dtype: "float32", shape, file }] as const,
  );
  return new Map(entries);
}

export interface BigVisionOptions {
  prefix?: string;
  /** The older code base's numbering of modules. */
  old?: boolean;
  scanned?: boolean;
  /** A position table with a first row for the class token. */
  classPosition?: boolean;
  /** NaFlex' flat patch kernel. */
  flatKernel?: boolean;
}

/** big_vision's `_Model`, or AugReg's `VisionTransformer` with `old`. */
export function bigVisionShapes(config: ViT22BConfig, options: BigVisionOptions = {}): Shapes {
  const { hidden_size: d, intermediate_size: f, patch_size: p, num_channels: c } = config;
  const [rows, columns] = gridOf(config);
  const heads = config.num_attention_heads;
  const { prefix = "", old = false, scanned = false, classPosition = false } = options;
  const encoder = "Transformer";
  const positions = old ? `${encoder}/posembed_input/pos_embedding` : "pos_embedding";
  const block: Shapes = {
    ...norm("LayerNorm_0", d),
    ...attention(`MultiHeadDotProductAttention_${old ? 1 : 0}`, d, heads),
    ...norm(`LayerNorm_${old ? 2 : 1}`, d),
    ...mlp(`MlpBlock_${old ? 3 : 0}`, d, f),
  };
  const layers = config.num_hidden_layers;
  const blocks = scanned
    ? [
        under(
          `${encoder}/encoderblock`,
          mapShapes(block, (shape) => [layers, ...shape]),
        ),
      ]
    : Array.from({ length: layers }, (_, i) => under(`${encoder}/encoderblock_${i}`, block));
  const shapes: Shapes = {
    "embedding/kernel": options.flatKernel ? [p * p * c, d] : [p, p, c, d],
    "embedding/bias": [d],
    [positions]: [1, rows * columns + (classPosition ? 1 : 0), d],
    ...Object.assign({}, ...blocks),
    ...norm(`${encoder}/encoder_norm`, d),
  };
  if (config.class_token) shapes.cls = [1, 1, d];
  if (config.pooling === "map") {
    shapes["MAPHead_0/probe"] = [1, 1, d];
    Object.assign(
      shapes,
      under("MAPHead_0", {
        ...attention("MultiHeadDotProductAttention_0", d, heads),
        ...norm("LayerNorm_0", d),
        ...mlp("MlpBlock_0", d, f),
      }),
    );
  }
  if (config.num_labels > 0) Object.assign(shapes, dense("head", [d], [config.num_labels]));
  return Object.fromEntries(Object.entries(shapes).map(([name, s]) => [prefix + name, s]));
}

/** timm's `VisionTransformer(block_fn=ParallelScalingBlock)`, or with plain blocks. */
export function timmShapes(
  config: ViT22BConfig,
  options: { fusedOut?: boolean; classPosition?: boolean } = {},
): Shapes {
  const { hidden_size: d, intermediate_size: f, patch_size: p, num_channels: c } = config;
  const [rows, columns] = gridOf(config);
  const head = d / config.num_attention_heads;
  const hasBias = config.norm === "layernorm";
  const timmNorm = (name: string, width: number): Shapes => ({
    [`${name}.weight`]: [width],
    ...(hasBias ? { [`${name}.bias`]: [width] } : {}),
  });
  const linear = (name: string, inward: number, outward: number, bias = true): Shapes => ({
    [`${name}.weight`]: [outward, inward],
    ...(bias ? { [`${name}.bias`]: [outward] } : {}),
  });
  const qkNorms =
    config.qk_norm === "none" ? {} : { ...timmNorm("q_norm", head), ...timmNorm("k_norm", head) };
  const parallel: Shapes = {
    ...timmNorm("in_norm", d),
    ...linear("in_proj", d, f + 3 * d, config.qkv_bias),
    ...(config.qkv_bias ? {} : { mlp_bias: [f] }),
    ...qkNorms,
    ...(options.fusedOut
      ? linear("out_proj", d + f, d)
      : { ...linear("attn_out_proj", d, d), ...linear("mlp_out_proj", f, d) }),
  };
  const plain: Shapes = {
    ...timmNorm("norm1", d),
    ...linear("attn.qkv", d, 3 * d, config.qkv_bias),
    ...Object.fromEntries(Object.entries(qkNorms).map(([name, s]) => [`attn.${name}`, s])),
    ...linear("attn.proj", d, d),
    ...timmNorm("norm2", d),
    ...linear("mlp.fc1", d, f),
    ...linear("mlp.fc2", f, d),
  };
  const block = config.block === "parallel" ? parallel : plain;
  const shapes: Shapes = {
    "patch_embed.proj.weight": [d, c, p, p],
    "patch_embed.proj.bias": [d],
    pos_embed: [1, rows * columns + (options.classPosition ? 1 : 0), d],
    ...(config.class_token ? { cls_token: [1, 1, d] } : {}),
    ...timmNorm("norm", d),
  };
  for (let i = 0; i < config.num_hidden_layers; i++) {
    for (const [name, shape] of Object.entries(block)) shapes[`blocks.${i}.${name}`] = shape;
  }
  if (config.pooling === "map") {
    Object.assign(shapes, {
      "attn_pool.latent": [1, 1, d],
      ...linear("attn_pool.q", d, d),
      ...linear("attn_pool.kv", d, 2 * d),
      ...linear("attn_pool.proj", d, d),
      ...timmNorm("attn_pool.norm", d),
      ...linear("attn_pool.mlp.fc1", d, f),
      ...linear("attn_pool.mlp.fc2", f, d),
    });
  }
  if (config.num_labels > 0) Object.assign(shapes, linear("head", d, config.num_labels));
  return shapes;
}

/** The native contract: names and shapes of the parameters that a config has. */
export function nativeShapes(config: ViT22BConfig): Shapes {
  const { hidden_size: d, intermediate_size: f, patch_size: p, num_channels: c } = config;
  const [rows, columns] = gridOf(config);
  const heads = config.num_attention_heads;
  const norms = (name: string): Shapes => ({
    [`${name}.weight`]: [d],
    ...(config.norm === "layernorm" ? { [`${name}.bias`]: [d] } : {}),
  });
  const linear = (name: string, shape: [number, number], bias = true): Shapes => ({
    [`${name}.weight`]: shape,
    ...(bias ? { [`${name}.bias`]: [shape[0]] } : {}),
  });
  const shapes: Shapes = {
    ...linear("patch_embed", [d, c * p * p]),
    pos_embed: [rows * columns, d],
    ...(config.class_token ? { cls_token: [1, d] } : {}),
  };
  for (let i = 0; i < config.num_hidden_layers; i++) {
    const at = `blocks.${i}`;
    Object.assign(shapes, norms(`${at}.norm`));
    if (config.block === "sequential") Object.assign(shapes, norms(`${at}.norm2`));
    for (const part of ["q", "k", "v"]) {
      Object.assign(shapes, linear(`${at}.attn.${part}`, [d, d], config.qkv_bias));
    }
    Object.assign(shapes, linear(`${at}.attn.out`, [d, d], config.attention_out_bias));
    if (config.qk_norm !== "none") {
      const shape = config.qk_norm_scale === "shared" ? [d / heads] : [heads, d / heads];
      shapes[`${at}.attn.q_norm.weight`] = shape;
      shapes[`${at}.attn.k_norm.weight`] = shape;
    }
    Object.assign(shapes, linear(`${at}.mlp.fc1`, [f, d], config.mlp_bias));
    Object.assign(shapes, linear(`${at}.mlp.fc2`, [d, f], config.mlp_bias));
  }
  Object.assign(shapes, norms("norm"));
  if (config.pooling === "map") {
    shapes["map.probe"] = [1, d];
    for (const part of ["q", "k", "v", "out"]) {
      Object.assign(shapes, linear(`map.attn.${part}`, [d, d]));
    }
    Object.assign(shapes, norms("map.norm"));
    Object.assign(shapes, linear("map.mlp.fc1", [f, d]), linear("map.mlp.fc2", [d, f]));
  }
  if (config.num_labels > 0) Object.assign(shapes, linear("head", [config.num_labels, d]));
  return shapes;
}

function under(prefix: string, shapes: Shapes): Shapes {
  return Object.fromEntries(Object.entries(shapes).map(([name, s]) => [`${prefix}/${name}`, s]));
}

function mapShapes(shapes: Shapes, change: (shape: number[]) => number[]): Shapes {
  return Object.fromEntries(Object.entries(shapes).map(([name, s]) => [name, change(s)]));
}

function norm(name: string, d: number): Shapes {
  return { [`${name}/scale`]: [d], [`${name}/bias`]: [d] };
}

function dense(name: string, inward: number[], outward: number[]): Shapes {
  return { [`${name}/kernel`]: [...inward, ...outward], [`${name}/bias`]: outward };
}

function attention(name: string, d: number, heads: number): Shapes {
  const split = [heads, d / heads];
  return under(name, {
    ...dense("query", [d], split),
    ...dense("key", [d], split),
    ...dense("value", [d], split),
    ...dense("out", split, [d]),
  });
}

function mlp(name: string, d: number, f: number): Shapes {
  return under(name, { ...dense("Dense_0", [d], [f]), ...dense("Dense_1", [f], [d]) });
}
