/**
 * From a picture to `pixel_values`, as ViT-22B is evaluated (arXiv 2302.05442; NaViT, arXiv
 * 2307.06304, appendix F; big_vision `pp/ops_image.py`).
 *
 * Resizing follows Pillow: a triangle (or Keys' cubic, a = -1/2) filter that widens when it
 * shrinks, on 8 bit values and rounded to 8 bits after it. libtorch's kernels for uint8 keep within
 * one or two levels of Pillow. big_vision itself resizes with TensorFlow's `area` method, which no
 * other tool reproduces; features from either differ less than those of a crop moved by a pixel.
 */
import type { Steps } from "../../core/compose.js";
import { tensor } from "../../core/create.js";
import { invalidArgument, TorchsightError } from "../../core/errors.js";
import { ops } from "../../core/ops.js";
import { tidy } from "../../core/scope.js";
import type { Tensor } from "../../core/tensor.js";
import type { RawImage } from "../../media/image.js";
import { imageSides, type ViT22BConfig } from "./config.js";

/** How a picture is brought to the model's size. */
export interface ProcessingOptions {
  /**
   * `centre` (default) resizes the short side to 256 for a 224 pixel model and crops the centre;
   * `square` resizes without keeping the aspect ratio and crops the central 87.5 %, the protocol of
   * the ImageNet rows of the paper. Both scale with the model's size.
   */
  protocol?: "centre" | "square" | undefined;
  /** Filter of the resize. Default `bilinear`. */
  resample?: "bilinear" | "bicubic" | undefined;
}

/** What is done to a picture: a resize, then a crop. Pixels. */
export interface Geometry {
  resized: [height: number, width: number];
  crop: { top: number; left: number; height: number; width: number };
}

/** Side of the resized picture over the side of the crop: 256 / 224, that is 1 / 0.875. */
const MARGIN = 256 / 224;

/** The resize and crop that bring a picture of `height` x `width` to `target`. */
export function geometry(
  [height, width]: readonly [number, number],
  target: readonly [number, number],
  protocol: "centre" | "square" = "centre",
): Geometry {
  const covered = target.map((side) => Math.round(side * MARGIN)) as [number, number];
  const scale = Math.max(covered[0] / height, covered[1] / width);
  const kept: [number, number] = [Math.round(height * scale), Math.round(width * scale)];
  const resized = protocol === "square" ? covered : kept;
  const crop = {
    top: Math.floor((resized[0] - target[0]) / 2),
    left: Math.floor((resized[1] - target[1]) / 2),
    height: target[0],
    width: target[1],
  };
  return { resized, crop };
}

/** Resized and cropped pixels, uint8 [C, H, W]; the resize is a job. */
export async function cropped(
  image: RawImage,
  config: ViT22BConfig,
  options: ProcessingOptions,
  steps: Steps,
): Promise<Tensor<"uint8">> {
  const { height, width, channels } = image;
  checkOptions(options);
  const { resized, crop } = geometry([height, width], imageSides(config), options.protocol);
  return await tidy(async () => {
    const pixels_HWC = tensor(image.data, { shape: [height, width, channels] });
    const pixels_1CHW = ops.unsqueeze(ops.permute(pixels_HWC, [2, 0, 1]), 0);
    const resize =
      options.resample === "bicubic"
        ? ops.job.internal._upsample_bicubic2d_aa
        : ops.job.internal._upsample_bilinear2d_aa;
    const full = await steps.run(resize(pixels_1CHW, resized, false, { ...steps.control }));
    const rows = ops.narrow(full, 2, crop.top, crop.height);
    const columns = ops.narrow(rows, 3, crop.left, crop.width);
    return ops.contiguous(ops.squeeze(columns, 0)).as("uint8");
  });
}

/** Pictures of equal size as one batch in [-1, 1]: float32 [B, C, H, W]. */
export function toPixelValues(images: readonly Tensor<"uint8">[]): Tensor<"float32"> {
  return tidy(() => {
    const stacked = ops.stack([...images]);
    return ops.sub(ops.div(stacked, 127.5), 1).as("float32");
  });
}

/**
 * Tensors as they come from a user, as one batch: float32 [C, H, W] or [B, C, H, W], already in
 * [-1, 1]. Throws `SHAPE`.
 */
export function batchOf(pixels: Tensor<"float32">, config: ViT22BConfig): Tensor<"float32"> {
  const { shape } = pixels;
  const batched = shape.length === 3 ? [1, ...shape] : shape;
  if (batched.length !== 4 || batched[1] !== config.num_channels) {
    const expected = `[B, ${config.num_channels}, H, W]`;
    throw new TorchsightError(
      "SHAPE",
      `expected shape ${expected} for the images but received [${shape.join(", ")}]`,
    );
  }
  return ops.reshape(pixels, batched).as("float32");
}

function checkOptions({ protocol, resample }: ProcessingOptions): void {
  if (protocol !== undefined && !["centre", "square"].includes(protocol)) {
    throw invalidArgument("protocol", "centre or square", protocol);
  }
  if (resample !== undefined && !["bilinear", "bicubic"].includes(resample)) {
    throw invalidArgument("resample", "bilinear or bicubic", resample);
  }
}
