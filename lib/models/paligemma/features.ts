/** Pictures as the decoder reads them, computed once for any number of prompts. */
import type { Steps } from "../../core/compose.js";
import { Held } from "../../core/held.js";
import type { Module } from "../../core/module.js";
import { ops } from "../../core/ops.js";
import { tidy } from "../../core/scope.js";
import type { Tensor } from "../../core/tensor.js";
import { decodeImage, type ImageSource, type RawImage } from "../../media/image.js";
import type { PaliGemmaMethods } from "./methods.js";
import { type Filter, type Processor, toPixelValues } from "./processing.js";

/** What `encode_images` gives for one picture. */
export interface FeatureTensors {
  /** A vector for each of N patches, as the decoder reads them: [1, N, d]. */
  image_hidden_states: Tensor;
  /** Their mean: [1, d]. */
  image_embeds: Tensor;
}

/** A picture as the decoder reads it. Dispose of it when done. */
export class ImageFeatures extends Held<FeatureTensors> {
  constructor(
    tensors: FeatureTensors,
    /** Of the picture that was given, in pixels. */
    readonly size: { readonly width: number; readonly height: number },
  ) {
    super(tensors);
  }
}

/** A picture, or what was computed of it before. */
export type PaliGemmaImage = ImageSource | ImageFeatures;

/** Pictures that go through the tower at once. */
const BATCH = 8;

/** What the tower says of pictures, in order; of those that were computed before, a handle more. */
export async function featuresOf(
  module: Module<PaliGemmaMethods>,
  images: readonly PaliGemmaImage[],
  processor: Processor,
  filter: Filter | undefined,
  steps: Steps,
): Promise<ImageFeatures[]> {
  const fresh: (readonly [place: number, image: RawImage])[] = [];
  const features = new Map<number, ImageFeatures>();
  for (const [place, image] of images.entries()) {
    if (image instanceof ImageFeatures) features.set(place, shared(image));
    else fresh.push([place, await decodeImage(image)]);
  }
  for (let first = 0; first < fresh.length; first += BATCH) {
    const batch = fresh.slice(first, first + BATCH);
    const pictures = batch.map(([, image]) => image);
    const outputs = await tidy(async () => {
      const pixel_values = await toPixelValues(pictures, processor, filter, steps);
      const job = module.call("encode_images", { pixel_values }, { ...steps.control });
      const { image_hidden_states, image_embeds } = await steps.run(job);
      return { image_hidden_states, image_embeds };
    });
    for (const [index, [place, { width, height }]] of batch.entries()) {
      const one = (all: Tensor) => ops.narrow(all, 0, index, 1);
      const { image_hidden_states, image_embeds } = outputs;
      const tensors = {
        image_hidden_states: one(image_hidden_states),
        image_embeds: one(image_embeds),
      };
      features.set(place, new ImageFeatures(tensors, { width, height }));
    }
    for (const tensor of Object.values(outputs)) tensor.dispose();
  }
  return images.map((_, place) => features.get(place)!);
}

function shared({ tensors, size }: ImageFeatures): ImageFeatures {
  const { image_hidden_states, image_embeds } = tensors;
  const handles = {
    image_hidden_states: ops.alias(image_hidden_states),
    image_embeds: ops.alias(image_embeds),
  };
  return new ImageFeatures(handles, size);
}
