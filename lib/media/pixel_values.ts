/** From levels of pictures to the numbers that models take, and from pictures to batches. */
import type { Steps } from "../core/compose.js";
import { tensor } from "../core/create.js";
import { invalidArgument, TorchsightError } from "../core/errors.js";
import { ops } from "../core/ops.js";
import { tidy } from "../core/scope.js";
import type { Tensor } from "../core/tensor.js";
import type { RawImage } from "./image.js";
import type { LevelFields } from "./processor_fields.js";
import type { Affine } from "./resample.js";

/** The pixels of a picture, uint8 [H, W, 3]. Throws `BAD_INPUT` for other channels. */
export function pixelsOf({ data, width, height, channels }: RawImage): Tensor<"uint8"> {
  if (channels !== 3) throw invalidArgument("the channels of the image", "3", channels);
  return tensor(data, { shape: [height, width, channels] });
}

/** What becomes of the levels of each channel, 0 … 255. */
export function normalising(fields: LevelFields): Affine[] {
  const { do_rescale, rescale_factor, do_normalize, image_mean, image_std } = fields;
  const factor = do_rescale ? rescale_factor : 1;
  return image_mean.map((mean, channel) => {
    if (!do_normalize) return { scale: factor, shift: 0 };
    const std = image_std[channel]!;
    return { scale: factor / std, shift: -mean / std };
  });
}

/** Levels of any dtype, [C, H, W], mapped channel by channel: float32 of the same shape. */
export async function normalised(
  levels_CHW: Tensor,
  maps: readonly Affine[],
  steps: Steps,
): Promise<Tensor<"float32">> {
  const perChannel = (of: keyof Affine) =>
    tensor(
      maps.map((map) => map[of]),
      { shape: [maps.length, 1, 1] },
    );
  const { control } = steps;
  const scaled = await steps.run(ops.job.mul(levels_CHW, perChannel("scale"), { ...control }));
  await steps.run(ops.job.add_(scaled, perChannel("shift"), { ...steps.control }));
  return ops.contiguous(scaled).as("float32");
}

/**
 * Pictures as one batch, float32 [B, C, H, W]; `prepare` makes float32 [C, H, W] of each. Nothing
 * but the batch is left of the work.
 *
 * @throws `BAD_INPUT` without a picture, `SHAPE` where pictures come out in several sizes
 */
export async function batchOf(
  images: readonly RawImage[],
  prepare: (image: RawImage) => Promise<Tensor<"float32">>,
  steps: Steps,
): Promise<Tensor<"float32">> {
  if (images.length === 0) throw invalidArgument("the images", "at least one", images);
  return await tidy(async () => {
    const pictures: Tensor[] = [];
    for (const image of images) pictures.push(await tidy(() => prepare(image)));
    const [first, ...rest] = pictures as [Tensor, ...Tensor[]];
    for (const other of rest) checkEqual(first.shape, other.shape);
    if (rest.length === 0) return ops.unsqueeze(first, 0).as("float32");
    const job = ops.job.stack(pictures, { ...steps.control });
    return (await steps.run(job)).as("float32");
  });
}

function checkEqual(first: readonly number[], other: readonly number[]): void {
  if (`${first}` === `${other}`) return;
  const expected = "pictures of one size where do_resize is false";
  throw new TorchsightError("SHAPE", `expected ${expected} but received [${first}] and [${other}]`);
}
