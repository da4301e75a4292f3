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
   * default for OWLv2, as its authors advise), or whichever `index` says (default where it does).
   */
  strategy?: "dissimilar" | "objectness" | "index" | undefined;
  /** The patch, for the strategy `index`. It need not fit the box. */
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
  const { index, label = "example" } = options;
  const { class_embeds, pred_boxes, objectness_logits } = image.tensors;
  const usual = objectness_logits ? "objectness" : "dissimilar";
  const strategy = options.strategy ?? (index === undefined ? usual : "index");
  if (strategy === "index") {
    const patch = checkedIndex(index, image);
    // A copy: a view would keep the embeddings of the whole picture.
    const embeds = tidy(() => ops.clone(ops.narrow(class_embeds, 1, patch, 1)));
    return new ExampleQuery(embeds, label, patch);
  }
  const embedded = {
    class_embeds,
    pred_boxes,
    ...(strategy === "objectness" && { objectness_logits: image.objectness }),
  };
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
  const four = Array.isArray(corners) && corners.length === 4 && corners.every(Number.isFinite);
  const [x0, y0, x1, y1] = (four ? corners : []) as unknown as Box;
  if (!(x0 < x1 && y0 < y1)) {
    throw invalidArgument("box", "[x0, y0, x1, y1] with x0 < x1 and y0 < y1", box);
  }
  if (x1 <= 0 || y1 <= 0 || x0 >= size.width || y0 >= size.height) {
    throw invalidArgument("box", `a box within ${size.width} x ${size.height} pixels`, box);
  }
  return toFrame(Float32Array.from(corners), scale);
}
