/**
 * The `.npz` files of big_vision, in which the layers of a tower lie in one tensor. Sources:
 * big_vision `models/proj/paligemma/paligemma.py`, `models/ppp/gemma.py` and `models/vit.py`.
 */
import {
  type PlanStep,
  permute,
  reshape,
  type TableStep,
  transpose,
  unstack,
} from "../../core/plan.js";
import type { Dialect, Rule, TensorIndex } from "../../core/weights.js";
import type { PaliGemmaConfig, PaliGemmaConfigInput } from "./config.js";

const BLOCK = "img/Transformer/encoderblock";
const LAYERS = "llm/layers";
const TABLE = "llm/embedder/input_embedding";

/** What stands before every name: nothing, or where a trainer keeps the weights. */
function prefixOf(tensors: TensorIndex): string | undefined {
  return ["", "params/"].find(
    (prefix) => tensors.has(prefix + TABLE) && tensors.has(`${prefix}img/embedding/kernel`),
  );
}

const select = (begin: number): PlanStep => ({ kind: "select", dim: 0, begin });

/** A flax norm with a bias. */
const norm = (to: string, from: string, first: TableStep[] = []): Rule[] => [
  { to: `${to}.weight`, from: `${from}/scale`, steps: first },
  { to: `${to}.bias`, from: `${from}/bias`, steps: first },
];

/** A flax dense layer, its kernel [in, out] once it is of the shape `[rows, out]`. */
const dense = (
  to: string,
  from: string,
  first: TableStep[] = [],
  flat: PlanStep[] = [],
): Rule[] => [
  { to: `${to}.weight`, from: `${from}/kernel`, steps: [...first, ...flat, transpose(0, 1)] },
  { to: `${to}.bias`, from: `${from}/bias`, steps: first },
];

function vision({ vision_config: config }: PaliGemmaConfig): Rule[] {
  const { hidden_size: d } = config;
  const first = [unstack(0)];
  const layer = "vision_tower.encoder.layers.{}";
  const attention = `${BLOCK}/MultiHeadDotProductAttention_0`;
  const parts = { q_proj: "query", k_proj: "key", v_proj: "value", out_proj: "out" };
  return [
    {
      to: "vision_tower.embeddings.patch_embedding.weight",
      from: "img/embedding/kernel",
      steps: [permute(3, 2, 0, 1)],
    },
    { to: "vision_tower.embeddings.patch_embedding.bias", from: "img/embedding/bias" },
    {
      to: "vision_tower.embeddings.position_embedding.weight",
      from: "img/pos_embedding",
      steps: [select(0)],
    },
    ...norm(`${layer}.layer_norm1`, `${BLOCK}/LayerNorm_0`, first),
    ...norm(`${layer}.layer_norm2`, `${BLOCK}/LayerNorm_1`, first),
    ...Object.entries(parts).flatMap(([ours, theirs]): Rule[] => [
      {
        to: `${layer}.self_attn.${ours}.weight`,
        from: `${attention}/${theirs}/kernel`,
        steps: [...first, reshape(d, d), transpose(0, 1)],
      },
      {
        to: `${layer}.self_attn.${ours}.bias`,
        from: `${attention}/${theirs}/bias`,
        steps: [...first, reshape(d)],
      },
    ]),
    ...dense(`${layer}.mlp.fc1`, `${BLOCK}/MlpBlock_0/Dense_0`, first),
    ...dense(`${layer}.mlp.fc2`, `${BLOCK}/MlpBlock_0/Dense_1`, first),
    ...norm("vision_tower.post_layernorm", "img/Transformer/encoder_norm"),
    ...dense("multi_modal_projector.linear", "img/head"),
  ];
}

function decoder({ text_config: config }: PaliGemmaConfig): Rule[] {
  const { hidden_size: d, num_attention_heads, num_key_value_heads, head_dim } = config;
  const model = "language_model.model";
  const layer = `${model}.layers.{}`;
  const first = [unstack(0)];
  const query = num_attention_heads * head_dim;
  const keys = num_key_value_heads * head_dim;
  const weight = (part: string, from: string, steps: TableStep[]): Rule => ({
    to: `${layer}.${part}.weight`,
    from: `${LAYERS}/${from}`,
    steps: [...first, ...steps],
  });
  /** Heads [H, d, e] to rows [H e, d]. */
  const heads = (rows: number): PlanStep[] => [permute(0, 2, 1), reshape(rows, d)];
  const norms =
    config.model_type === "gemma"
      ? { input_layernorm: "pre_attention_norm", post_attention_layernorm: "pre_ffw_norm" }
      : {
          input_layernorm: "pre_attention_norm",
          post_attention_layernorm: "post_attention_norm",
          pre_feedforward_layernorm: "pre_ffw_norm",
          post_feedforward_layernorm: "post_ffw_norm",
        };
  return [
    { to: `${model}.embed_tokens.weight`, from: TABLE },
    weight("self_attn.q_proj", "attn/q_einsum/w", heads(query)),
    weight("self_attn.k_proj", "attn/kv_einsum/w", [select(0), ...heads(keys)]),
    weight("self_attn.v_proj", "attn/kv_einsum/w", [select(1), ...heads(keys)]),
    weight("self_attn.o_proj", "attn/attn_vec_einsum/w", [reshape(query, d), transpose(0, 1)]),
    weight("mlp.gate_proj", "mlp/gating_einsum", [select(0), transpose(0, 1)]),
    weight("mlp.up_proj", "mlp/gating_einsum", [select(1), transpose(0, 1)]),
    weight("mlp.down_proj", "mlp/linear", [transpose(0, 1)]),
    ...Object.entries(norms).map(([ours, theirs]) => weight(ours, `${theirs}/scale`, [])),
    { to: `${model}.norm.weight`, from: "llm/final_norm/scale" },
  ];
}

export const bigVision: Dialect<PaliGemmaConfig> = {
  name: "big_vision",

  detect: (tensors) => prefixOf(tensors) !== undefined,

  rules(config, tensors) {
    const prefix = prefixOf(tensors)!;
    return [...vision(config), ...decoder(config)].map((rule) => ({
      ...rule,
      from: prefix + rule.from,
    }));
  },

  // The optimizer's state, where a trainer kept it beside the weights.
  ignores: (tensors) => {
    const prefix = prefixOf(tensors)!;
    return (name) => !name.startsWith(prefix);
  },

  inferConfig,
};

/** The config that the shapes tell. Pictures are square. */
function inferConfig(tensors: TensorIndex): PaliGemmaConfigInput {
  const prefix = prefixOf(tensors)!;
  const shape = (name: string) => tensors.get(prefix + name)?.shape ?? [];
  const [patch_size = 0, , num_channels = 0, hidden_size = 0] = shape("img/embedding/kernel");
  const [, positions = 0] = shape("img/pos_embedding");
  const attention = shape(`${BLOCK}/MultiHeadDotProductAttention_0/query/kernel`);
  const [num_hidden_layers = 0, num_attention_heads = 0, width = 0, head_dim = 0] = shape(
    `${LAYERS}/attn/q_einsum/w`,
  );
  const second = tensors.has(`${prefix}${LAYERS}/post_attention_norm/scale`);
  const sizes = {
    vocab_size: shape(TABLE)[0] ?? 0,
    hidden_size: width,
    intermediate_size: shape(`${LAYERS}/mlp/linear`)[1] ?? 0,
    num_hidden_layers,
    num_attention_heads,
    num_key_value_heads: shape(`${LAYERS}/attn/kv_einsum/w`)[2] ?? 0,
    head_dim,
  };
  return {
    model_type: "paligemma",
    vision_config: {
      hidden_size,
      intermediate_size: shape(`${BLOCK}/MlpBlock_0/Dense_0/kernel`)[2] ?? 0,
      num_hidden_layers: attention[0] ?? 0,
      num_attention_heads: attention[2] ?? 0,
      num_channels,
      image_size: Math.sqrt(positions) * patch_size,
      patch_size,
    },
    text_config: second
      ? { model_type: "gemma2", ...sizes, query_pre_attn_scalar: queryScalar(sizes) }
      : { model_type: "gemma", ...sizes },
  };
}

/** Queries are scaled by their heads' width, but in the largest Gemma 2 by d / H. */
function queryScalar(sizes: {
  hidden_size: number;
  num_attention_heads: number;
  head_dim: number;
}): number {
  const { hidden_size, num_attention_heads, head_dim } = sizes;
  const largest = hidden_size === 4608 && head_dim === 128;
  return largest ? hidden_size / num_attention_heads : head_dim;
}
