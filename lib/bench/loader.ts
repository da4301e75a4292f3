import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Tensor } from "../core/tensor.js";
import {
  DataLoader,
  type DataLoaderOptions,
  type DatasetSource,
  type Transform,
} from "../data/index.js";
import { ShapesWorld } from "../data/shapesworld/index.js";
import { writeImage } from "../media/image.js";
import { type Estimate, estimate, pairs, seconds, type Timed } from "./measure.js";
import type { Benchmark, Row } from "./report.js";

const BATCH = 16;
/** Batches in a measurement, after those that were made ahead. */
const BATCHES = 4;
const PREFETCH = 4;
const ROUNDS = 9;
const WORKERS = [1, 2] as const;
/** Photographs of the size that many data sets have. */
const [FILES, WIDTH, HEIGHT] = [64, 500, 375] as const;

/** Batches without end, one after the other. */
class Batches {
  readonly #batches: AsyncGenerator<Record<string, Tensor>>;

  constructor(loader: DataLoader) {
    this.#batches = loader[Symbol.asyncIterator]();
  }

  async take(count: number): Promise<void> {
    for (let taken = 0; taken < count; taken += 1) {
      const { value } = await this.#batches.next();
      for (const tensor of Object.values(value as Record<string, Tensor>)) tensor.dispose();
    }
  }

  /** Seconds of a sample, once what was made ahead is gone. */
  readonly pace: Timed = async () => {
    await this.take(PREFETCH);
    return (await seconds(() => this.take(BATCHES))) / (BATCHES * BATCH);
  };
}

async function* rowsOf(
  name: string,
  source: DatasetSource,
  transforms: readonly Transform[],
): AsyncGenerator<Row> {
  const options: DataLoaderOptions = {
    batch: BATCH,
    prefetch: PREFETCH,
    epochs: Infinity,
    transforms,
  };
  const rate = ({ median }: Estimate) => `${Math.round(1 / median)} samples/s`;
  await using own = await DataLoader.open(source, options);
  const alone = new Batches(own);
  const values: number[] = [];
  await alone.pace();
  for (let round = 0; round < ROUNDS; round += 1) values.push(await alone.pace());
  const single = estimate(values);
  yield { name: `loader: ${name}, no worker`, seconds: single, note: rate(single) };
  for (const workers of WORKERS) {
    await using loader = await DataLoader.open(source, { ...options, workers });
    const { ours, ratio } = await pairs(new Batches(loader).pace, alone.pace, ROUNDS);
    yield {
      name: `loader: ${name}, ${workers} worker${workers > 1 ? "s" : ""}`,
      seconds: ours,
      ratio,
      peer: "no worker",
      note: rate(ours),
    };
  }
}

/** Batches of scenes and of JPEG files, made in this thread or in others. */
export const loader: Benchmark = {
  name: "loader",
  async *run() {
    const scenes = { size: [64, 64], frames: 1, occlusion: "none" } as const;
    yield* rowsOf("scene of 64 x 64", { kind: "shapesworld", options: scenes, captions: false }, [
      { kind: "pixels" },
      { kind: "labels", count: 19 },
    ]);
    const folder = mkdtempSync(join(tmpdir(), "torchsight-bench-"));
    try {
      const world = new ShapesWorld({ size: [WIDTH, HEIGHT], frames: 1, grain: 12 });
      for (const clip of world.clips({ count: FILES })) {
        await writeImage(clip.frame(0), join(folder, `${clip.index}.jpg`));
      }
      yield* rowsOf(`JPEG of ${WIDTH} x ${HEIGHT}`, { kind: "folder", folder }, [
        { kind: "inceptionCrop", size: [224, 224] },
        { kind: "flip" },
        { kind: "pixels" },
      ]);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
};
