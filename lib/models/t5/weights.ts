/** The names of public checkpoints, which are our own too: what we save opens in transformers. */
import type { Dialect } from "../../core/weights.js";
import type { T5Config } from "./config.js";

const TOKENS = "shared.weight";
/** The same tokens again, as files of encoders by themselves had them. */
const COPY = "encoder.embed_tokens.weight";

const layer = (gated: boolean) => [
  ...["q", "k", "v", "o"].map((part) => `0.SelfAttention.${part}.weight`),
  "0.layer_norm.weight",
  ...(gated ? ["wi_0", "wi_1", "wo"] : ["wi", "wo"]).map(
    (part) => `1.DenseReluDense.${part}.weight`,
  ),
  "1.layer_norm.weight",
];

/** Our own names of a model. */
export function namesOf({ feed_forward_proj }: Pick<T5Config, "feed_forward_proj">): string[] {
  return [
    TOKENS,
    "encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight",
    ...layer(feed_forward_proj === "gated-gelu").map((name) => `encoder.block.{}.layer.${name}`),
    "encoder.final_layer_norm.weight",
  ];
}

/** Files of transformers. Of a whole T5 the decoder and the head are passed over. */
export const transformers: Dialect<T5Config> = {
  name: "transformers",
  detect: (tensors) => tensors.has("encoder.final_layer_norm.weight"),
  rules: (config, tensors) =>
    namesOf(config).map((to) => ({
      to,
      from: to === TOKENS && !tensors.has(TOKENS) ? COPY : to,
    })),
  ignores: (tensors) => (name) =>
    /^(decoder\.|lm_head\.)/.test(name) || (name === COPY && tensors.has(TOKENS)),
};

export const dialects: readonly Dialect<T5Config>[] = [transformers];
