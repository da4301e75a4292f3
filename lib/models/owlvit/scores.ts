/** How well queries fit the patches of a picture, a few at a time so that memory is bounded. */
import type { Steps } from "../../core/compose.js";
import type { Module } from "../../core/module.js";
import { ops } from "../../core/ops.js";
import { tidy } from "../../core/scope.js";
import type { Tensor } from "../../core/tensor.js";
import type { ImageEmbedding, Queries } from "./embeddings.js";
import type { OwlViTMethods } from "./methods.js";

/** Logits that are held at a time: 16 MiB of them. */
const LOGITS = 2 ** 22;

/** The logits of some of the queries. */
export interface Scores {
  /** The place of the first of them among all. */
  first: number;
  /** How many there are. */
  count: number;
  /** [P, count], the mean over the prompts of each query. */
  logits: Float32Array;
}

/** The logits of all queries, in order and in parts. */
export async function* scoresOf(
  module: Module<OwlViTMethods>,
  image: ImageEmbedding,
  queries: Queries,
  steps: Steps,
): AsyncGenerator<Scores, void, undefined> {
  const [prompts, total] = queries.shape;
  const most = Math.max(1, Math.floor(LOGITS / (image.patches * prompts)));
  for (let first = 0; first < total; first += most) {
    const count = Math.min(most, total - first);
    using logits = await logitsOf(module, image, queries, [first, count], steps);
    yield { first, count, logits: await logits.data() };
  }
}

/** The logits of `count` queries from `first`: [P, count], the mean over the prompts of each. */
export async function logitsOf(
  module: Module<OwlViTMethods>,
  image: ImageEmbedding,
  queries: Queries,
  [first, count]: readonly [first: number, count: number],
  steps: Steps,
): Promise<Tensor<"float32">> {
  const { class_embeds, logit_shift, logit_scale } = image.tensors;
  const [prompts, , width] = queries.shape;
  return await tidy(async () => {
    const part_TQE = ops.narrow(queries.tensors.embeds, 1, first, count);
    const query_embeds = ops.reshape(part_TQE, [1, prompts * count, width]);
    const inputs = { class_embeds, logit_shift, logit_scale, query_embeds };
    const { logits } = await steps.run(module.call("query", inputs, { ...steps.control }));
    const logits_PTQ = ops.reshape(logits, [image.patches, prompts, count]);
    const mean_PQ = prompts === 1 ? ops.squeeze(logits_PTQ, 1) : ops.mean(logits_PTQ, [1]);
    return mean_PQ.to("float32");
  });
}
