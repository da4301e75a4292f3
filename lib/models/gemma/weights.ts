/** The names of public checkpoints, which are our own too: what we save opens in transformers. */
import { decoderNames } from "../../configs/gemma.js";
import type { Dialect } from "../../core/weights.js";
import type { GemmaConfig } from "./config.js";

const HEAD = "lm_head.weight";

/** Files of transformers. Where the head is the token table, a copy of it is passed over. */
export const transformers: Dialect<GemmaConfig> = {
  name: "transformers",
  detect: (tensors) => tensors.has("model.embed_tokens.weight"),
  rules: (config) =>
    [...decoderNames("model."), ...(config.tie_word_embeddings ? [] : [HEAD])].map((name) => ({
      to: name,
      from: name,
    })),
  ignores: () => (name) => name === HEAD || name.endsWith(".rotary_emb.inv_freq"),
};

export const dialects: readonly Dialect<GemmaConfig>[] = [transformers];
