import { rand, randn } from "../core/create.js";
import { createModule } from "../core/load.js";
import { Trainer, type TrainerOptions } from "../train/index.js";
import { encoderFlops, MM_FLOPS, squareProduct } from "./encode.js";
import { estimate, seconds, triplets } from "./measure.js";
import type { Benchmark, Row } from "./report.js";

/** A classifier of ViT-S's sizes (arXiv 2106.10270): 196 tokens of a 224 x 224 picture. */
export const SMALL = {
  model_type: "vit22b",
  hidden_size: 384,
  num_hidden_layers: 12,
  num_attention_heads: 6,
  intermediate_size: 1536,
  image_size: 224,
  patch_size: 16,
  pooling: "mean",
  num_labels: 1000,
} as const;
export const TRAIN_BATCH = 16;

/** What the peer does as well: AdamW with decay of all weights, and clipping. */
export const TRAIN_OPTIONS = {
  schedule: { peak: 1e-4 },
  groups: [{ pattern: "*", decay: 0.05 }],
  clip: 1,
} as const satisfies TrainerOptions;

/** Of one picture, forward and backward, over the forward pass alone. */
const TRAINING = 3;
const TRIPLETS = 5;

/** A model that multiplies its input by its only parameter. */
const ONE_PARAMETER = { model_type: "torchsight_diagnostics", size: 1 } as const;
const OVERHEAD_STEPS = 500;
const ROUNDS = 15;

/** Pictures and labels drawn at random. */
export function drawBatch({ image_size: side, num_labels }: typeof SMALL, batch: number) {
  return { pixel_values: randn([batch, 3, side, side]), labels: rand([batch, num_labels]) };
}

async function stepRow(): Promise<Row> {
  await using model = await createModule(SMALL);
  using trainer = new Trainer(model, TRAIN_OPTIONS);
  const flops = [TRAINING * encoderFlops(SMALL, TRAIN_BATCH), MM_FLOPS] as const;
  const step = () => {
    const batch = drawBatch(SMALL, TRAIN_BATCH);
    return seconds(() => trainer.step(batch));
  };
  const { seconds: time, share, kept } = await triplets(step, squareProduct(), flops, TRIPLETS);
  return {
    name: `training step of a ViT-S, batch ${TRAIN_BATCH}`,
    seconds: time,
    ratio: share,
    peer: "rate of the adjacent mm",
    note: `${kept} triplets`,
  };
}

async function overheadRow(): Promise<Row> {
  await using model = await createModule(ONE_PARAMETER);
  using trainer = new Trainer(model);
  const times: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const batches = Array.from({ length: OVERHEAD_STEPS }, () => ({
      x: randn([1]),
      target: randn([1]),
    }));
    const time = await seconds(async () => {
      for (const batch of batches) await trainer.step(batch);
    });
    times.push(time / OVERHEAD_STEPS);
  }
  const { median } = estimate(times);
  return {
    name: "step of a model of one parameter",
    seconds: estimate(times),
    note: `at most 150 µs wanted, ${median <= 150e-6 ? "met" : "missed"}`,
  };
}

/** What a step holds at its most beside the weights, the optimizer's state and the batch. */
async function memoryRow(): Promise<Row> {
  const peaks: number[] = [];
  for (const recompute of [false, true]) {
    await using model = await createModule(SMALL);
    using session = model.openSession("trainer", { ...TRAIN_OPTIONS, recompute });
    const { pixel_values, labels } = drawBatch(SMALL, TRAIN_BATCH);
    using _pixels = pixel_values;
    using _labels = labels;
    const job = session.call("step", { pixel_values, labels });
    using _ = await job;
    peaks.push(job.stats?.peakBytes ?? 0);
  }
  const [kept, again] = peaks.map((bytes) => `${Math.round(bytes / 1e6)} MB`);
  return { name: "memory of its first step", note: `${kept}; with layers recomputed ${again}` };
}

/** A step of training: a whole one, what it holds, and what all but the computation takes. */
export const train: Benchmark = {
  name: "train",
  async *run() {
    yield await stepRow();
    yield await memoryRow();
    yield await overheadRow();
  },
};
