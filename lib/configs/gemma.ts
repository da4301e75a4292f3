/**
 * Configs of `model_type: gemma` and `gemma2`, as transformers has them: language models of their
 * own, and the decoders of other systems.
 */
import {
  badField,
  type Field,
  type FieldSpec,
  flag,
  integer,
  objectOf,
  oneOf,
  parseFields,
  positive,
} from "../core/config.js";

interface CommonFields {
  vocab_size: number;
  hidden_size: number;
  intermediate_size: number;
  num_hidden_layers: number;
  num_attention_heads: number;
  /** Heads of keys and values; a divisor of `num_attention_heads`. */
  num_key_value_heads: number;
  /** Width of a head, an even number. */
  head_dim: number;
  max_position_embeddings: number;
  rms_norm_eps: number;
  rope_parameters: { rope_theta: number; rope_type: "default" };
  attention_bias: boolean;
  tie_word_embeddings: boolean;
  bos_token_id: number;
  eos_token_id: number | readonly number[];
  pad_token_id: number;
}

/** Gemma, arXiv 2403.08295. */
export interface Gemma1Config extends CommonFields {
  model_type: "gemma";
  hidden_act: "gelu_pytorch_tanh";
}

/** Gemma 2, arXiv 2408.00118. */
export interface Gemma2Config extends CommonFields {
  model_type: "gemma2";
  hidden_activation: "gelu_pytorch_tanh" | "gelu_new" | "gelu";
  /** Queries are divided by its square root. */
  query_pre_attn_scalar: number;
  /** Tokens that windowed layers look back, themselves included; null for all. */
  sliding_window: number | null;
  layer_types: readonly ("sliding_attention" | "full_attention")[];
  /** Bound of the logits, null for none. */
  final_logit_softcapping: number | null;
  /** Bound of the attention scores, null for none. */
  attn_logit_softcapping: number | null;
}

export type GemmaConfig = Gemma1Config | Gemma2Config;

/** What a user may say of a config; all else has a default. */
export type GemmaConfigInput =
  | ({ model_type: "gemma" } & Partial<Gemma1Config>)
  | ({ model_type: "gemma2" } & Partial<Gemma2Config>);

const LARGEST = 1e9;

const activation = oneOf("gelu_pytorch_tanh", "gelu_new", "gelu");

/** Gemma's files of the first days say `gelu` and mean its tanh approximation. */
const tanhGelu: Field = (name, value) => {
  activation(name, value);
  return "gelu_pytorch_tanh";
};

/** One id, or a list of them. */
const ids: Field = (name, value) => {
  for (const id of [value].flat()) integer(0)(name, id);
  return value;
};

const even: Field = (name, value) => {
  if ((integer(2)(name, value) as number) % 2 === 0) return value;
  throw badField(name, "an even number", value);
};

function commonFields(
  given: Record<string, unknown>,
  sizes: readonly [width: number, hidden: number, depth: number, heads: number, groups: number],
): Record<keyof CommonFields, FieldSpec> {
  const [width, hidden, depth, heads, groups] = sizes;
  return {
    vocab_size: { check: integer(1), fallback: 256000 },
    hidden_size: { check: integer(1), fallback: width },
    intermediate_size: { check: integer(1), fallback: hidden },
    num_hidden_layers: { check: integer(1), fallback: depth },
    num_attention_heads: { check: integer(1), fallback: heads },
    num_key_value_heads: { check: integer(1), fallback: groups },
    head_dim: { check: even, fallback: 256 },
    max_position_embeddings: { check: integer(1), fallback: 8192 },
    rms_norm_eps: { check: positive(1), fallback: 1e-6 },
    rope_parameters: { check: rope(given.rope_theta), fallback: {} },
    attention_bias: { check: flag, fallback: false },
    tie_word_embeddings: { check: flag, fallback: true },
    bos_token_id: { check: integer(0), fallback: 2 },
    eos_token_id: { check: ids, fallback: 1 },
    pad_token_id: { check: integer(0), fallback: 0 },
  };
}

/** The base of the rotary angles, in the files' new spelling or, as `theta`, in the old one. */
const rope =
  (theta: unknown): Field =>
  (name, value) =>
    parseFields<CommonFields["rope_parameters"]>(
      value,
      {
        rope_theta: { check: positive(LARGEST), fallback: theta ?? 10000 },
        rope_type: { check: oneOf("default"), fallback: "default" },
      },
      `${name}.`,
    );

/** A number above 0, or null for none. */
const orNone = (given: unknown, fallback: number, check: Field): FieldSpec =>
  given === null ? { check: () => null, fallback: 0 } : { check, fallback };

const layerTypes =
  (depth: unknown): Field =>
  (name, value) => {
    const known = (type: unknown) => type === "sliding_attention" || type === "full_attention";
    if (Array.isArray(value) && value.length === depth && value.every(known)) return value;
    throw badField(name, `sliding_attention or full_attention for each of ${depth} layers`, value);
  };

/** Windowed and full layers in turn. */
const alternating = (depth: unknown) =>
  Array.from({ length: Number(depth) }, (_, layer) =>
    layer % 2 === 0 ? "sliding_attention" : "full_attention",
  );

/**
 * A complete config from what a file says: every field checked, defaults filled in, fields of other
 * kinds left out. `where` stands before names in messages. Throws `BAD_CONFIG`.
 */
export function parseGemma(input: unknown, where = ""): GemmaConfig {
  const given = objectOf(input, where === "" ? "the config" : where.replace(/\.$/, ""));
  const type = given.model_type ?? "gemma";
  if (type !== "gemma" && type !== "gemma2") {
    throw badField(`${where}model_type`, "gemma or gemma2", type);
  }
  const config = type === "gemma" ? gemma1(given, where) : gemma2(given, where);
  const { num_attention_heads: heads, num_key_value_heads: groups } = config;
  if (heads % groups === 0) return config;
  const expected = `a divisor of num_attention_heads = ${heads}`;
  throw badField(`${where}num_key_value_heads`, expected, groups);
}

function gemma1(given: Record<string, unknown>, where: string): Gemma1Config {
  return parseFields<Gemma1Config>(
    given,
    {
      model_type: { check: oneOf("gemma"), fallback: "gemma" },
      ...commonFields(given, [3072, 24576, 28, 16, 16]),
      hidden_act: { check: tanhGelu, fallback: "gelu_pytorch_tanh" },
    },
    where,
  );
}

function gemma2(given: Record<string, unknown>, where: string): Gemma2Config {
  const depth = given.num_hidden_layers ?? 26;
  const { sliding_window, final_logit_softcapping, attn_logit_softcapping } = given;
  return parseFields<Gemma2Config>(
    given,
    {
      model_type: { check: oneOf("gemma2") },
      ...commonFields(given, [2304, 9216, 26, 8, 4]),
      hidden_activation: { check: activation, fallback: "gelu_pytorch_tanh" },
      query_pre_attn_scalar: { check: positive(LARGEST), fallback: 256 },
      sliding_window: orNone(sliding_window, 4096, integer(1)),
      layer_types: {
        check: layerTypes(depth),
        fallback:
          Number.isSafeInteger(depth) && (depth as number) <= 4096 ? alternating(depth) : [],
      },
      final_logit_softcapping: orNone(final_logit_softcapping, 30, positive(LARGEST)),
      attn_logit_softcapping: orNone(attn_logit_softcapping, 50, positive(LARGEST)),
    },
    where,
  );
}

const PROJECTIONS = ["q_proj", "k_proj", "v_proj", "o_proj"].flatMap((part) => [
  `self_attn.${part}.weight`,
  `self_attn.${part}.bias`,
]);
const LAYER = [
  ...PROJECTIONS,
  ...["gate", "up", "down"].map((part) => `mlp.${part}_proj.weight`),
  ...["input", "post_attention", "pre_feedforward", "post_feedforward"].map(
    (norm) => `${norm}_layernorm.weight`,
  ),
];

/** Every name of a decoder but the head's, those included that not every model has. */
export function decoderNames(prefix: string): string[] {
  return [
    `${prefix}embed_tokens.weight`,
    ...LAYER.map((name) => `${prefix}layers.{}.${name}`),
    `${prefix}norm.weight`,
  ];
}
