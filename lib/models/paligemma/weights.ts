/**
 * The names of public checkpoints. Ours are those that transformers 5 writes; files of its older
 * versions, and of programs that keep the model within another, differ by prefixes alone.
 */
import { decoderNames } from "../../configs/gemma.js";
import type { Dialect } from "../../core/weights.js";
import type { PaliGemmaConfig } from "./config.js";

const both = (name: string) => [`${name}.weight`, `${name}.bias`];

const LAYER = [
  ...["q", "k", "v", "out"].flatMap((part) => both(`self_attn.${part}_proj`)),
  ...["layer_norm1", "mlp.fc1", "mlp.fc2", "layer_norm2"].flatMap(both),
].map((name) => `encoder.layers.{}.${name}`);

const VISION = [
  ...both("embeddings.patch_embedding"),
  "embeddings.position_embedding.weight",
  ...LAYER,
  ...both("post_layernorm"),
];

const HEAD = "language_model.lm_head.weight";

/** Our names. `{}` stands for the number of the layer. */
export function namesOf(config: Pick<PaliGemmaConfig, "tie_word_embeddings">): string[] {
  return [
    ...VISION.map((name) => `vision_tower.${name}`),
    ...both("multi_modal_projector.linear"),
    ...decoderNames("language_model.model."),
    ...(config.tie_word_embeddings ? [] : [HEAD]),
  ];
}

/** How a dialect writes the four parts of our names. */
interface Prefixes {
  vision: string;
  projector: string;
  decoder: string;
  head: string;
}

const CURRENT: Prefixes = {
  vision: "vision_tower.",
  projector: "multi_modal_projector.",
  decoder: "language_model.model.",
  head: "language_model.lm_head.",
};
/** transformers 4.41 to 4.51, and the published files. */
const PUBLISHED: Prefixes = { ...CURRENT, vision: "vision_tower.vision_model." };
/** transformers from 4.52 on, in memory and in files of programs that save what they hold. */
const NESTED: Prefixes = {
  vision: "model.vision_tower.vision_model.",
  projector: "model.multi_modal_projector.",
  decoder: "model.language_model.",
  head: "lm_head.",
};
const NESTED_FLAT: Prefixes = { ...NESTED, vision: "model.vision_tower." };
/** Robots' checkpoints keep the model beside an expert of theirs. */
const WITHIN = "paligemma_with_expert.paligemma.";

function dialect(name: string, given: Prefixes, outer = ""): Dialect<PaliGemmaConfig> {
  const prefixes = Object.fromEntries(
    Object.entries(given).map(([part, prefix]) => [part, outer + prefix]),
  ) as unknown as Prefixes;
  const theirs = (own: string) => {
    const part = (Object.keys(CURRENT) as (keyof Prefixes)[]).find((one) =>
      own.startsWith(CURRENT[one]),
    )!;
    return prefixes[part] + own.slice(CURRENT[part].length);
  };
  return {
    name,
    detect: (tensors) =>
      tensors.has(`${prefixes.vision}embeddings.patch_embedding.weight`) &&
      [`${prefixes.decoder}embed_tokens.weight`, `${prefixes.head}weight`].some((name) =>
        tensors.has(name),
      ),
    rules: (config, tensors) =>
      namesOf(config).map((to) => {
        const from = theirs(to);
        // Some robots' files have the table as the head alone.
        const isTable = from === `${prefixes.decoder}embed_tokens.weight`;
        return { to, from: isTable && !tensors.has(from) ? `${prefixes.head}weight` : from };
      }),
    ignores: () => (tensor) =>
      tensor === `${prefixes.head}weight` ||
      tensor.startsWith(`${prefixes.vision}head.`) ||
      tensor.endsWith(".position_ids") ||
      tensor.endsWith(".rotary_emb.inv_freq") ||
      (outer !== "" && !tensor.startsWith(outer)),
  };
}

export const transformers = dialect("transformers 5", CURRENT);
export const dialects: readonly Dialect<PaliGemmaConfig>[] = [
  transformers,
  dialect("transformers 4.41", PUBLISHED),
  dialect("transformers 4.52", NESTED),
  dialect("transformers 4.52 without vision_model", NESTED_FLAT),
  dialect("paligemma_with_expert", CURRENT, WITHIN),
  dialect("paligemma_with_expert 4.41", PUBLISHED, WITHIN),
  dialect("paligemma_with_expert 4.52", NESTED, WITHIN),
];
