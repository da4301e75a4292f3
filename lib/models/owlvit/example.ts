/** Queries made of pictures: the patch that stands for what a picture, or a box in it, shows. */
import type { Steps } from "../../core/compose.js";
import { tensor } from "../../core/create.js";
import { invalidArgument } from "../../core/errors.js";
import type { Module } from "../../core/module.js";
import { ops } from "../../core/ops.js";
import { tidy } from "../../core/scope.js";
import type { Tensor } from "../../core/tensor.js";
import { toFrame } from "./boxes.js";
import type { Box } from "./detections.js";
import { type ImageEmbedding, Queries } from "./embeddings.js";
import type { OwlViTMethods } from "./methods.js";

/** Which patch of an example is queried with. */
export interface ExampleQueryOptions {
  /** Where the object is, in pixels. Default: the whole picture. */
  box?: Box | readonly number[] | undefined;
  /**
   * Among the boxes that fit the object's: the one whose embedding is least like the mean of all
   * (`dissimilar`, default for OWL-ViT), the one that most looks like an object (`objectness`,
   * default for OWLv2, as its authors advise), or whichever `index` says.
   */
  strategy?: "dissimilar" | "objectness" | "index" | undefined;
  /** The patch, for the strategy `index`. */
  index?: number | undefined;
  /** What the query is called. Default `example`. */
  label?: string | undefined;
}

/** One query made of a patch of a picture. */
export class ExampleQuery extends Queries {
  constructor(
    embeds: Tensor,
    label: string,
    /** The patch. */
    readonly patch: number,
  ) {
    super(embeds, [label], "example");
  }
}

/** The query that stands for what `image` shows. */
export async function exampleQuery(
  module: Module<OwlViTMethods>,
  image: ImageEmbedding,
  options: ExampleQueryOptions,
  steps: Steps,
): Promise<ExampleQuery> {
  const { label = "example" } = options;
  if (options.strategy === "index") {
    const patch = checkedIndex(options.index, image);
    const embeds = tidy(() => ops.contiguous(ops.narrow(image.tensors.class_embeds, 1, patch, 1)));
    return new ExampleQuery(embeds, label, patch);
  }
  const { class_embeds, pred_boxes, objectness_logits } = image.tensors;
  const embedded = { class_embeds, pred_boxes, ...(objectness_logits && { objectness_logits }) };
  const strategy = options.strategy ?? (objectness_logits ? "objectness" : "dissimilar");
  const [embeds, patch] = await tidy(async () => {
    const query_boxes = tensor(frameOf(options.box, image), { shape: [1, 4] });
    const inputs = { ...embedded, query_boxes };
    const job = module.call("select_query", inputs, { args: { strategy }, ...steps.control });
    const { query_embeds, query_indices } = await steps.run(job);
    return [ops.unsqueeze(query_embeds, 0), Number(query_indices.to("cpu").item())] as const;
  });
  return new ExampleQuery(embeds, label, patch);
}

function checkedIndex(index: unknown, { patches }: ImageEmbedding): number {
  if (Number.isSafeInteger(index) && (index as number) >= 0 && (index as number) < patches) {
    return index as number;
  }
  throw invalidArgument("index", `a patch from 0 to ${patches - 1}`, index);
}

/** A box in pixels, or the whole picture without its padding, in the frame of the model's boxes. */
function frameOf(
  box: readonly number[] | undefined,
  { size, scale }: ImageEmbedding,
): Float32Array {
  const corners = box ?? [0, 0, size.width, size.height];
  const [x0, y0, x1, y1] = corners as Box;
  const good = corners.length === 4 && corners.every(Number.isFinite) && x1 > x0 && y1 > y0;
  if (!good) throw invalidArgument("box", "[x0, y0, x1, y1] with x0 < x1 and y0 < y1", box);
  if (x1 <= 0 || y1 <= 0 || x0 >= size.width || y0 >= size.height) {
    throw invalidArgument("box", `a box within ${size.width} x ${size.height} pixels`, box);
  }
  return toFrame(Float32Array.from(corners), scale);
}
