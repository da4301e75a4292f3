/** Clips with captions, for models of video. */
import { checkWholeNumber } from "../core/checks.js";
import { invalidArgument, TorchsightError } from "../core/errors.js";
import type { RawImage } from "../media/image.js";
import type { DecodedSample, Sample } from "./dataset.js";
import type { SampleTransform } from "./transforms.js";

/** What a clip becomes. */
export interface ClipOptions {
  /** Frames of a clip: the first ones of a longer one. A single picture is repeated. */
  frames: number;
  /** The share of clips whose frames are taken for pictures by themselves. Default 0. */
  pictures?: number | undefined;
  /** Bytes of a caption at most. Default 256. */
  captionBytes?: number | undefined;
}

/**
 * Makes uint8 `video` [T, H, W, 3]; `caption`, one of the sample's, in UTF-8 with zeros behind it;
 * and `is_image`, 1 where frames are pictures that have nothing to do with each other.
 */
export function clipArrays({
  frames,
  pictures = 0,
  captionBytes = 256,
}: ClipOptions): SampleTransform {
  if (frames === undefined) throw invalidArgument("frames", "a whole number", frames);
  checkWholeNumber("frames", frames, 1);
  checkWholeNumber("captionBytes", captionBytes, 1);
  if (!(pictures >= 0 && pictures <= 1)) {
    throw invalidArgument("pictures", "a number from 0 to 1", pictures);
  }
  return (sample, random) => {
    const { images, name } = sample as DecodedSample;
    const single = images.length === 1;
    if (!single && images.length < frames) {
      const message = `expected ${frames} frames in ${name} but it has ${images.length}`;
      throw new TorchsightError("BAD_INPUT", message);
    }
    const isImage = single || random.chance(pictures);
    const texts = (isImage ? sample.frameCaptions : undefined) ?? sample.captions ?? [];
    if (texts.length === 0) {
      throw new TorchsightError("BAD_INPUT", `expected a caption of ${name}`);
    }
    const { width, height } = images[0]!;
    const arrays: Sample["arrays"] = {
      ...sample.arrays,
      video: { data: pixelsOf(images, frames), shape: [frames, height, width, 3] },
      caption: { data: bytesOf(random.pick(texts), captionBytes, name), shape: [captionBytes] },
      is_image: { data: Uint8Array.of(isImage ? 1 : 0), shape: [] },
    };
    return { ...sample, arrays };
  };
}

/** Texts of the array `caption` [B, bytes] of a batch. */
export function captionsOf(bytes: Uint8Array, count: number): string[] {
  const length = bytes.length / count;
  const decoder = new TextDecoder();
  return Array.from({ length: count }, (_, at) => {
    const row = bytes.subarray(at * length, (at + 1) * length);
    const end = row.indexOf(0);
    return decoder.decode(end < 0 ? row : row.subarray(0, end));
  });
}

function pixelsOf(images: readonly RawImage[], frames: number): Uint8Array {
  const size = images[0]!.data.length;
  const pixels = new Uint8Array(frames * size);
  for (let at = 0; at < frames; at += 1) {
    const { data, width, height, channels } = images[Math.min(at, images.length - 1)]!;
    if (channels !== 3 || data.length !== size) {
      const message = `expected frames of one size and 3 channels, not ${width}x${height}`;
      throw new TorchsightError("BAD_INPUT", `${message} and ${channels}`);
    }
    pixels.set(data, at * size);
  }
  return pixels;
}

function bytesOf(text: string, most: number, name: string): Uint8Array {
  const bytes = new Uint8Array(most);
  const whole = new TextEncoder().encode(text);
  if (whole.length > most) {
    const message = `expected a caption of at most ${most} bytes of ${name}`;
    throw new TorchsightError("BAD_INPUT", `${message} but it has ${whole.length}`);
  }
  bytes.set(whole);
  return bytes;
}
