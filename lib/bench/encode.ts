import { randn } from "../core/create.js";
import { createModule } from "../core/load.js";
import type { Module } from "../core/module.js";
import { ops } from "../core/ops.js";
import type { ViT22BConfig } from "../models/vit22b/config.js";
import { best, seconds, type Timed, triplets } from "./measure.js";
import type { Benchmark } from "./report.js";

const SQUARE = 2048;
/** Operations of the product that everything is compared with. */
export const MM_FLOPS = 2 * SQUARE ** 3;

/** An encoder of SigLIP-L's sizes: 256 tokens of a 256 x 256 picture. */
export const LARGE = {
  model_type: "vit22b",
  hidden_size: 1024,
  num_hidden_layers: 24,
  num_attention_heads: 16,
  intermediate_size: 4096,
  image_size: 256,
  patch_size: 16,
  pooling: "mean",
} as const;
export const BATCH = 8;

/** What the operations of an encoder depend on. */
type EncoderSizes = Pick<
  ViT22BConfig,
  "hidden_size" | "intermediate_size" | "num_hidden_layers" | "patch_size"
> & { image_size: number };

/** Operations of one forward pass; spec of the block: 2(4d² + 2dF) + 4Nd a layer and token. */
export function encoderFlops(config: EncoderSizes, batch: number): number {
  const { hidden_size: d, intermediate_size: F, num_hidden_layers: L } = config;
  const N = (config.image_size / config.patch_size) ** 2;
  const layers = L * (2 * (4 * d * d + 2 * d * F) + 4 * N * d);
  const patches = 2 * 3 * config.patch_size ** 2 * d;
  return batch * N * (layers + patches);
}

/** Seconds of one product of two float32 2048 x 2048 matrices, best of three. */
export function squareProduct(): Timed {
  const a = randn([SQUARE, SQUARE]);
  const b = randn([SQUARE, SQUARE]);
  return best(async () => (await ops.job.mm(a, b)).dispose(), 3);
}

/** Seconds of one forward pass of `model` over a batch. */
export function encodeOnce(model: Module, batch = BATCH): Timed {
  const pixels = randn([batch, 3, LARGE.image_size, LARGE.image_size]);
  return () =>
    seconds(async () => {
      using _ = await model.call("encode", { pixel_values: pixels });
    });
}

/** A ViT-L-sized encoder beside a plain product of matrices. */
export const encode: Benchmark = {
  name: "encode",
  async *run() {
    await using model = await createModule(LARGE);
    const flops = [encoderFlops(LARGE, BATCH), MM_FLOPS] as const;
    const { seconds, share, kept } = await triplets(encodeOnce(model), squareProduct(), flops, 15);
    yield {
      name: `ViT-L encode, batch ${BATCH}`,
      seconds,
      ratio: share,
      peer: "rate of the adjacent mm",
      note: `${kept} triplets`,
    };
  },
};
