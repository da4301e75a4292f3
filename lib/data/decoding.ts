/** From files to pixels. */
import { checkWholeNumber } from "../core/checks.js";
import { TorchsightError } from "../core/errors.js";
import { decodeImage, type RawImage } from "../media/image.js";
import { videoFrames } from "../media/video.js";
import type { Sample } from "./dataset.js";
import type { SampleTransform } from "./transforms.js";

/** How samples are decoded. */
export interface DecodeSampleOptions {
  /** Frames that are read of a video; one that has fewer is a bad sample. Default 1. */
  frames?: number | undefined;
  /** At most so many frames a second of a video. Default: all, one after the other. */
  fps?: number | undefined;
  /** Pixels that a picture may have. Default: those of `decodeImage`. */
  maxPixels?: number | undefined;
}

/** Decodes pictures as `decodeImage` does, and the first frames of videos as `videoFrames`. */
export function decodeSample({ frames = 1, fps, maxPixels }: DecodeSampleOptions): SampleTransform {
  checkWholeNumber("frames", frames, 1);
  return async (sample) => {
    if (sample.video !== undefined) {
      return { ...sample, images: await framesOf(sample.video, frames, fps) };
    }
    if (!sample.images?.length) {
      throw new TorchsightError("BAD_INPUT", `expected a picture or a video in ${sample.name}`);
    }
    const images: RawImage[] = [];
    for (const image of sample.images) images.push(await decodeImage(image, 3, { maxPixels }));
    return { ...sample, images } satisfies Sample;
  };
}

async function framesOf(path: string, count: number, fps?: number): Promise<RawImage[]> {
  const images: RawImage[] = [];
  for await (const { image } of videoFrames(path, { limit: count, fps })) images.push(image);
  if (images.length === count) return images;
  throw new TorchsightError(
    "BAD_INPUT",
    `expected ${count} frames in ${path} but it has ${images.length}`,
  );
}
