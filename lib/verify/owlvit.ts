/** Published values of OWL-ViT and OWLv2 beside ours. */
import type { Steps } from "../core/compose.js";
import { tidy } from "../core/scope.js";
import type { Tensor } from "../core/tensor.js";
import type { RawImage } from "../media/image.js";
import { type Detection, ImageEmbedding, OwlViT } from "../models/owlvit/index.js";
import type { SizeArgs } from "../models/owlvit/methods.js";
import { boxMap, toPixelValues } from "../models/owlvit/processing.js";
import { adjusted } from "../models/owlvit/processor.js";
import {
  type OwlViTReference,
  type OwlViTValue,
  type Published,
  QUERIES,
  THRESHOLD,
} from "../models/owlvit/references.js";
import { type Check, compare, type Rows } from "./checks.js";
import { COCO_CATS, type KnownPicture } from "./picture.js";
import type { Subject } from "./subject.js";

/** What values are computed from. */
interface Seen {
  readonly model: OwlViT;
  readonly embedding: ImageEmbedding;
  /** What the embedding was computed of. */
  readonly pixel_values: Tensor;
  readonly args: SizeArgs;
  readonly steps: Steps;
}

/** A detector with these references. */
export function owlvitSubject(
  references: readonly OwlViTReference[],
  picture: KnownPicture = COCO_CATS,
): Subject {
  return {
    picture,
    check: async (folder, image, options, steps) => {
      await using model = await steps.run(OwlViT.load(folder, { ...options, ...steps.control }));
      const checks: Check[] = [];
      for (const reference of references) {
        checks.push(...(await tidy(() => checksOf(model, image, reference, steps))));
      }
      return checks;
    },
  };
}

async function checksOf(
  model: OwlViT,
  image: RawImage,
  reference: OwlViTReference,
  steps: Steps,
): Promise<Check[]> {
  const seen = await see(model, image, reference, steps);
  const checks: Check[] = [];
  for (const [value, published] of Object.entries(reference.values)) {
    const got = await COMPUTE[value as OwlViTValue](seen, published);
    checks.push(compare({ name: `${reference.name}: ${value}`, ...published }, got));
  }
  return checks;
}

/** The picture as the network sees it: unlike the public class, in any shape. */
async function see(
  model: OwlViT,
  image: RawImage,
  { protocol, size }: OwlViTReference,
  steps: Steps,
): Promise<Seen> {
  const chosen = adjusted(model.processor, { protocol });
  const processor = size ? { ...chosen, size } : chosen;
  const args = { interpolate_pos_encoding: size !== undefined };
  const pixel_values = await toPixelValues([image], processor, steps);
  const job = model.module.call("embed_image", { pixel_values }, { args, ...steps.control });
  const { taps: _, ...tensors } = await steps.run(job);
  const embedding = new ImageEmbedding(tensors, image, boxMap(image, processor));
  return { model, embedding, pixel_values, args, steps };
}

const COMPUTE: Record<OwlViTValue, (seen: Seen, like: Published) => Promise<Rows>> = {
  pred_boxes: ({ embedding }, like) => firstOf(embedding.tensors.pred_boxes, like),
  logits: async ({ model, embedding, steps }, like) => {
    const job = model.predict(embedding, QUERIES, steps.control);
    return await firstOf((await steps.run(job)).logits, like);
  },
  target_pred_boxes: async ({ model, pixel_values, args, steps }, like) => {
    const inputs = { pixel_values, query_pixel_values: pixel_values };
    const job = model.module.call("detect_image_guided", inputs, { args, ...steps.control });
    return await firstOf((await steps.run(job)).target_pred_boxes, like);
  },
  queries: (seen) => found(seen, ({ query }) => [query]),
  scores: (seen) => found(seen, ({ score }) => [score]),
  boxes: (seen) => found(seen, ({ box }) => box),
};

/** The first rows and columns of [P, N] or [1, P, N], as many as are published. */
async function firstOf(tensor: Tensor, { expected }: Published): Promise<Rows> {
  const rows = tensor.reshape([-1, tensor.shape.at(-1)!]);
  const first = rows.index(`:${expected.length}`, `:${expected[0]!.length}`);
  return (await first.to("float32").toArray()) as number[][];
}

/** Of each detection, in the order of the patches. */
async function found(
  { model, embedding, steps }: Seen,
  of: (detection: Detection) => readonly number[],
): Promise<Rows> {
  const options = { threshold: THRESHOLD, ...steps.control };
  const detections = await steps.run(model.detect(embedding, QUERIES, options));
  return detections.sort((one, other) => one.patch - other.patch).map(of);
}
