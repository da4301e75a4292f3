/** What the wrappers of `PaliGemma` give besides a text. */
import type { Steps } from "../../core/compose.js";
import { TorchsightError } from "../../core/errors.js";
import type { GeneratedText } from "../../generation/types.js";
import type { MaskCodec } from "./mask_codec.js";
import { type PastedMask, pasteMask } from "./masks.js";
import type { FoundObject, FoundObjects } from "./objects.js";

/** A text and the objects that it names. */
export interface DetectedText extends GeneratedText, FoundObjects {}

/** An object with its mask; what the model gave no mask of has none. */
export interface SegmentedObject extends FoundObject {
  mask?: PastedMask;
}

/** A text and the objects that it names, with their masks. */
export interface SegmentedText extends GeneratedText, Omit<FoundObjects, "objects"> {
  objects: SegmentedObject[];
}

/** The objects with masks made of their codes, in a picture of that size. */
export async function withMasks(
  objects: readonly FoundObject[],
  size: { readonly width: number; readonly height: number },
  codec: MaskCodec,
  steps: Steps,
): Promise<SegmentedObject[]> {
  const coded = objects.flatMap(({ codes }) => (codes ? [codes] : []));
  const maps = await steps.run(codec.decode(coded, { ...steps.control }));
  const segmented: SegmentedObject[] = [];
  for (const object of objects) {
    const map = object.codes && maps.shift();
    const mask = map && (await steps.run(pasteMask(map, object.box, size, { ...steps.control })));
    segmented.push({ ...object, ...(mask && { mask }) });
  }
  return segmented;
}

/** The codec, which a model may come without. */
export function requireCodec(codec: MaskCodec | undefined): MaskCodec {
  if (codec) return codec;
  throw new TorchsightError(
    "UNSUPPORTED",
    "expected the mask codec, vae-oid.npz, beside the model or as the option masks, for masks",
  );
}
