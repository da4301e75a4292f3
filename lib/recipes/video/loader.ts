/** Clips with the features of their captions. */
import { tensor } from "../../core/create.js";
import { ops } from "../../core/ops.js";
import { captionsOf } from "../../data/index.js";
import type { CaptionFeatures } from "../../models/imagen_video/caption_features.js";
import type { Batch, Loader } from "../../train/index.js";
import { resumable } from "../../train/loader.js";

/**
 * The batches of `loader` as stages take them: `text` and `text_mask` in the place of `caption`.
 * With `numbered` samples have streams of random numbers by their place, so that held-out clips are
 * always seen under the same noise.
 */
export function withFeatures(
  loader: Loader,
  features: CaptionFeatures,
  { numbered = false }: { numbered?: boolean } = {},
): Loader {
  const batches = async function* (): AsyncGenerator<Batch> {
    let first = 0;
    for await (const { caption, is_image, ...rest } of loader) {
      using bytes = caption!;
      using flags = is_image!;
      const count = bytes.shape[0]!;
      const texts = captionsOf((await bytes.data()) as Uint8Array, count);
      const { text, text_mask } = await features.read(texts);
      const places = BigInt64Array.from({ length: count }, (_, at) => BigInt(first + at));
      first += count;
      yield {
        ...rest,
        ...{ text, text_mask, is_image: ops.ne(flags, 0) },
        ...(numbered && { stream: tensor(places, { shape: [count] }) }),
      };
    }
  };
  const place = resumable(loader)
    ? { cursor: () => loader.cursor(), seek: (cursor: unknown) => loader.seek!(cursor) }
    : {};
  return { [Symbol.asyncIterator]: batches, ...place };
}
