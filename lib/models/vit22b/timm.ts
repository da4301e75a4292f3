/**
 * timm's `VisionTransformer` with `ParallelScalingBlock` (the `vit_*_xp_*` models) or plain blocks.
 * Source: timm 1.0, `models/vision_transformer.py` and `layers/attention_pool.py`.
 */
import { TorchsightError } from "../../core/errors.js";
import { add, reshape, slice, type TableStep } from "../../core/plan.js";
import type { Dialect, Rule, TensorIndex } from "../../core/weights.js";
import { gridOf, type ViT22BConfig } from "./config.js";

const BLOCK = "blocks.{}";

export const timm: Dialect<ViT22BConfig> = {
  name: "timm",

  detect: (tensors) => tensors.has("patch_embed.proj.weight"),

  rules(config, tensors) {
    if (tensors.has("norm_pre.weight")) {
      throw new TorchsightError(
        "UNSUPPORTED",
        "expected a timm model without a norm before its blocks but received one with norm_pre",
      );
    }
    return [
      ...embeddings(config, tensors),
      ...(config.block === "parallel" ? parallelBlock(config, tensors) : plainBlock(config)),
      ...both("norm", "norm"),
      ...mapHead(config),
      ...both("head", "head"),
    ];
  },
};

/** Weight and bias under the same steps. */
function both(to: string, from: string, steps: TableStep[] = []): Rule[] {
  return ["weight", "bias"].map((kind) => ({
    to: `${to}.${kind}`,
    from: `${from}.${kind}`,
    steps,
  }));
}

function embeddings(config: ViT22BConfig, tensors: TensorIndex): Rule[] {
  const { hidden_size: d, patch_size: p, num_channels: channels } = config;
  const [rows, columns] = gridOf(config);
  const count = rows * columns;
  const rules: Rule[] = [
    {
      to: "patch_embed.weight",
      from: "patch_embed.proj.weight",
      steps: [reshape(d, channels * p * p)],
    },
    { to: "patch_embed.bias", from: "patch_embed.proj.bias" },
  ];
  if (tensors.get("pos_embed")?.shape[1] !== count + 1) {
    return [
      ...rules,
      { to: "pos_embed", from: "pos_embed", steps: [reshape(count, d)] },
      { to: "cls_token", from: "cls_token", steps: [reshape(1, d)] },
    ];
  }
  // The class token has a position of its own, the table's first row.
  const ofClass = [slice(1, 0, 1), add, reshape(1, d)];
  return [
    ...rules,
    { to: "pos_embed", from: "pos_embed", steps: [slice(1, 1, count + 1), reshape(count, d)] },
    { to: "cls_token", from: ["cls_token", "pos_embed"], steps: ofClass },
  ];
}

/**
 * `in_proj` holds u, q, k and v, one below the other; `out_proj` attention, then MLP, side by side.
 */
function parallelBlock(config: ViT22BConfig, tensors: TensorIndex): Rule[] {
  const { hidden_size: d, intermediate_size: f } = config;
  const rows = {
    "mlp.fc1": [0, f],
    "attn.q": [f, d],
    "attn.k": [f + d, d],
    "attn.v": [f + 2 * d, d],
  };
  const inward = Object.entries(rows).flatMap(([part, [begin = 0, length = 0]]) =>
    both(`${BLOCK}.${part}`, `${BLOCK}.in_proj`, [slice(0, begin, begin + length)]),
  );
  const mlpBias = `${BLOCK}.mlp.fc1.bias`;
  const separate = tensors.has("blocks.0.mlp_bias");
  return [
    ...both(`${BLOCK}.norm`, `${BLOCK}.in_norm`),
    ...inward.filter((rule) => !(separate && rule.to === mlpBias)),
    ...(separate ? [{ to: mlpBias, from: `${BLOCK}.mlp_bias` }] : []),
    ...qkNorms(`${BLOCK}`),
    ...outward(config, tensors),
  ];
}

function outward(config: ViT22BConfig, tensors: TensorIndex): Rule[] {
  const { hidden_size: d, intermediate_size: f } = config;
  if (!tensors.has("blocks.0.out_proj.weight")) {
    return [
      ...both(`${BLOCK}.attn.out`, `${BLOCK}.attn_out_proj`),
      ...both(`${BLOCK}.mlp.fc2`, `${BLOCK}.mlp_out_proj`),
    ];
  }
  const from = `${BLOCK}.out_proj.weight`;
  return [
    { to: `${BLOCK}.attn.out.weight`, from, steps: [slice(1, 0, d)] },
    { to: `${BLOCK}.mlp.fc2.weight`, from, steps: [slice(1, d, d + f)] },
    // One bias serves both branches: a config with `attention_out_bias: false`.
    { to: `${BLOCK}.mlp.fc2.bias`, from: `${BLOCK}.out_proj.bias` },
  ];
}

function plainBlock(config: ViT22BConfig): Rule[] {
  const { hidden_size: d } = config;
  const qkv = ["q", "k", "v"].flatMap((part, index) =>
    both(`${BLOCK}.attn.${part}`, `${BLOCK}.attn.qkv`, [slice(0, index * d, (index + 1) * d)]),
  );
  return [
    ...both(`${BLOCK}.norm`, `${BLOCK}.norm1`),
    ...qkv,
    ...qkNorms(`${BLOCK}.attn`),
    ...both(`${BLOCK}.attn.out`, `${BLOCK}.attn.proj`),
    ...both(`${BLOCK}.norm2`, `${BLOCK}.norm2`),
    ...both(`${BLOCK}.mlp.fc1`, `${BLOCK}.mlp.fc1`),
    ...both(`${BLOCK}.mlp.fc2`, `${BLOCK}.mlp.fc2`),
  ];
}

function qkNorms(from: string): Rule[] {
  return ["q_norm", "k_norm"].flatMap((part) => both(`${BLOCK}.attn.${part}`, `${from}.${part}`));
}

function mapHead(config: ViT22BConfig): Rule[] {
  const { hidden_size: d } = config;
  return [
    { to: "map.probe", from: "attn_pool.latent", steps: [reshape(1, d)] },
    ...both("map.attn.q", "attn_pool.q"),
    ...both("map.attn.k", "attn_pool.kv", [slice(0, 0, d)]),
    ...both("map.attn.v", "attn_pool.kv", [slice(0, d, 2 * d)]),
    ...both("map.attn.out", "attn_pool.proj"),
    ...both("map.norm", "attn_pool.norm"),
    ...both("map.mlp.fc1", "attn_pool.mlp.fc1"),
    ...both("map.mlp.fc2", "attn_pool.mlp.fc2"),
  ];
}
