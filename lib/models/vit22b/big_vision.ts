/**
 * The `.npz` files of big_vision and of the older AugReg code base: plain sequential ViTs. Sources:
 * big_vision `models/vit.py` (`_Model`, `fix_old_checkpoints`), timm `_load_weights`.
 */
import { add, reshape, slice, type TableStep, transpose, unstack } from "../../core/plan.js";
import type { Dialect, Rule, TensorIndex } from "../../core/weights.js";
import type { ViT22BConfig, ViT22BConfigInput } from "./config.js";

const POSITIONS = ["pos_embedding", "Transformer/posembed_input/pos_embedding"];

/** How one file spells the names. */
interface Spelling {
  /** What stands before every name: a tower's or an optimizer's prefix. */
  prefix: string;
  positions: string;
  /** Layers as one tensor with the layer as its first dimension. */
  scanned: boolean;
  attention: string;
  norm2: string;
  mlp: string;
}

function spelling(tensors: TensorIndex): Spelling | undefined {
  const embedding = [...tensors.keys()].find((name) => /(^|\/)embedding\/kernel$/.test(name));
  if (embedding === undefined) return undefined;
  const prefix = embedding.slice(0, -"embedding/kernel".length);
  const has = (name: string) => tensors.has(prefix + name);
  const positions = POSITIONS.find(has) ?? POSITIONS[0]!;
  const scanned = has("Transformer/encoderblock/LayerNorm_0/scale");
  const block = `Transformer/encoderblock${scanned ? "" : "_0"}`;
  const old = has(`${block}/LayerNorm_2/scale`);
  return {
    prefix,
    positions,
    scanned,
    attention: `MultiHeadDotProductAttention_${old ? 1 : 0}`,
    norm2: `LayerNorm_${old ? 2 : 1}`,
    mlp: `MlpBlock_${old ? 3 : 0}`,
  };
}

/** A flax norm: `scale` and `bias`. */
function norm(to: string, from: string, first: TableStep[] = []): Rule[] {
  return [
    { to: `${to}.weight`, from: `${from}/scale`, steps: first },
    { to: `${to}.bias`, from: `${from}/bias`, steps: first },
  ];
}

/** A flax dense layer: the kernel is [in, out]. */
function dense(to: string, from: string, first: TableStep[] = []): Rule[] {
  return [
    { to: `${to}.weight`, from: `${from}/kernel`, steps: [...first, transpose(0, 1)] },
    { to: `${to}.bias`, from: `${from}/bias`, steps: first },
  ];
}

/** flax attention: kernels [d, H, dh], and [H, dh, d] for the output. */
function attention(to: string, from: string, d: number, first: TableStep[] = []): Rule[] {
  const parts = { q: "query", k: "key", v: "value", out: "out" };
  return Object.entries(parts).flatMap(([ours, theirs]) => [
    {
      to: `${to}.${ours}.weight`,
      from: `${from}/${theirs}/kernel`,
      steps: [...first, reshape(d, d), transpose(0, 1)],
    },
    { to: `${to}.${ours}.bias`, from: `${from}/${theirs}/bias`, steps: [...first, reshape(d)] },
  ]);
}

function embeddings(config: ViT22BConfig, spelled: Spelling, tensors: TensorIndex): Rule[] {
  const { hidden_size: d, patch_size: p, num_channels: channels } = config;
  const stored = tensors.get(spelled.prefix + spelled.positions)?.shape[1] ?? 0;
  // [p, p, C, d] or [p·p·C, d] to [d, C·p·p]
  const kernel: TableStep[] = [
    reshape(p, p, channels, d),
    { kind: "permute", shape: [3, 2, 0, 1] },
    reshape(d, channels * p * p),
  ];
  const rules: Rule[] = [
    { to: "patch_embed.weight", from: "embedding/kernel", steps: kernel },
    { to: "patch_embed.bias", from: "embedding/bias" },
  ];
  if (!isSquarePlusOne(stored)) {
    return [
      ...rules,
      { to: "pos_embed", from: spelled.positions, steps: [reshape(stored, d)] },
      { to: "cls_token", from: "cls", steps: [reshape(1, d)] },
    ];
  }
  // The class token had a position of its own, the table's first row.
  return [
    ...rules,
    {
      to: "pos_embed",
      from: spelled.positions,
      steps: [slice(1, 1, stored), reshape(stored - 1, d)],
    },
    {
      to: "cls_token",
      from: ["cls", spelled.positions],
      steps: [slice(1, 0, 1), add, reshape(1, d)],
    },
  ];
}

function isSquarePlusOne(count: number): boolean {
  return count > 1 && Number.isInteger(Math.sqrt(count - 1));
}

export const bigVision: Dialect<ViT22BConfig> = {
  name: "big_vision",

  detect: (tensors) => spelling(tensors) !== undefined,

  rules(config, tensors) {
    const spelled = spelling(tensors)!;
    const { hidden_size: d } = config;
    const block = `Transformer/encoderblock${spelled.scanned ? "" : "_{}"}`;
    const first = spelled.scanned ? [unstack(0)] : [];
    const map = "MAPHead_0";
    const rules: Rule[] = [
      ...embeddings(config, spelled, tensors),
      ...norm("blocks.{}.norm", `${block}/LayerNorm_0`, first),
      ...attention("blocks.{}.attn", `${block}/${spelled.attention}`, d, first),
      ...norm("blocks.{}.norm2", `${block}/${spelled.norm2}`, first),
      ...dense("blocks.{}.mlp.fc1", `${block}/${spelled.mlp}/Dense_0`, first),
      ...dense("blocks.{}.mlp.fc2", `${block}/${spelled.mlp}/Dense_1`, first),
      ...norm("norm", "Transformer/encoder_norm"),
      { to: "map.probe", from: `${map}/probe`, steps: [reshape(1, d)] },
      ...attention("map.attn", `${map}/MultiHeadDotProductAttention_0`, d),
      ...norm("map.norm", `${map}/LayerNorm_0`),
      ...dense("map.mlp.fc1", `${map}/MlpBlock_0/Dense_0`),
      ...dense("map.mlp.fc2", `${map}/MlpBlock_0/Dense_1`),
      ...dense("head", "head"),
    ];
    return rules.map((rule) => ({
      ...rule,
      from: [rule.from].flat().map((name) => spelled.prefix + name),
    }));
  },

  // Another tower, the optimizer's state, the temperature of a contrastive model.
  ignores(tensors) {
    const { prefix } = spelling(tensors)!;
    return (name) => !name.startsWith(prefix);
  },

  inferConfig: (tensors) => inferConfig(tensors),
};

/** The config that the shapes of a plain ViT tell. A square position table is taken for granted. */
function inferConfig(tensors: TensorIndex): ViT22BConfigInput {
  const { prefix, positions, scanned, attention, mlp } = spelling(tensors)!;
  const shape = (name: string) => tensors.get(prefix + name)?.shape ?? [];
  const has = (name: string) => tensors.has(prefix + name);
  const block = `Transformer/encoderblock${scanned ? "" : "_0"}`;
  const kernel = shape("embedding/kernel");
  const patch = kernel.length === 4 ? kernel[0]! : Math.sqrt(kernel[0]! / 3);
  const stored = shape(positions)[1] ?? 0;
  const side = Math.sqrt(isSquarePlusOne(stored) ? stored - 1 : stored);
  const layers = [...tensors.keys()].filter((name) =>
    /^Transformer\/encoderblock_\d+\/LayerNorm_0\/scale$/.test(name.slice(prefix.length)),
  );
  const pooling = has("MAPHead_0/probe") ? "map" : has("cls") ? "token" : "mean";
  return {
    hidden_size: kernel.at(-1) ?? 0,
    num_hidden_layers: scanned ? (shape(`${block}/LayerNorm_0/scale`)[0] ?? 0) : layers.length,
    num_attention_heads: shape(`${block}/${attention}/query/kernel`).at(-2) ?? 0,
    intermediate_size: shape(`${block}/${mlp}/Dense_0/kernel`).at(-1) ?? 0,
    image_size: side * patch,
    patch_size: patch,
    num_channels: kernel.length === 4 ? kernel[2]! : 3,
    block: "sequential",
    norm: "layernorm",
    qk_norm: "none",
    qkv_bias: true,
    pooling,
    class_token: has("cls"),
    num_labels: shape("head/kernel")[1] ?? 0,
  };
}
