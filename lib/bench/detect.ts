import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { composeJob } from "../core/compose.js";
import { randint, randn } from "../core/create.js";
import { ops } from "../core/ops.js";
import { tidy } from "../core/scope.js";
import type { Tensor } from "../core/tensor.js";
import { decodeImage, writeImage } from "../media/image.js";
import type { OwlViTConfig, TowerConfig } from "../models/owlvit/config.js";
import { Queries } from "../models/owlvit/embeddings.js";
import { OwlViT, type OwlViTImage } from "../models/owlvit/pipeline.js";
import { toPixelValues } from "../models/owlvit/processing.js";
import { MM_FLOPS, squareProduct } from "./encode.js";
import { type Estimate, estimate, pairs, seconds, type Timed, triplets } from "./measure.js";
import type { Benchmark, Row } from "./report.js";

const MODELS = {
  "OWL-ViT B/32": "owlvit-base-patch32",
  "OWLv2 B/16": "owlv2-base-patch16",
} as const;
/** Queries, and tokens of each: "a photo of a cat" is seven. */
const QUERIES = 3;
const LENGTH = 7;
const ROUNDS = 15;

/** Operations of a tower for one row of `tokens`, as of {@link encoderFlops}. */
function towerFlops(tower: TowerConfig, tokens: number): number {
  const { hidden_size: d, intermediate_size: F, num_hidden_layers: L } = tower;
  return L * tokens * (2 * (4 * d * d + 2 * d * F) + 4 * tokens * d);
}

/** Operations of one detection: both towers, the patches, and the heads over all patches. */
export function detectorFlops(config: OwlViTConfig, queries: number, length: number): number {
  const { vision_config: vision, text_config: text, projection_dim: E } = config;
  const { hidden_size: d, image_size, patch_size, num_channels } = vision;
  const patches = Math.floor(image_size / patch_size) ** 2;
  const mlp = (out: number) => 2 * (2 * d * d + d * out);
  const heads = mlp(4) + 2 * d * (E + 2) + (config.model_type === "owlv2" ? mlp(1) : 0);
  return (
    towerFlops(vision, patches + 1) +
    patches * (2 * num_channels * patch_size ** 2 * d + heads + 2 * E * queries) +
    queries * (towerFlops(text, length) + 2 * text.hidden_size * E)
  );
}

/** Token ids of texts that nobody wrote: int64 [QUERIES, LENGTH], ended as texts are. */
function drawIds({ text_config }: OwlViTConfig): Tensor {
  const end = text_config.vocab_size - 1;
  return tidy(() => {
    const ids = randint(1, end, [QUERIES, LENGTH]);
    ops.fill_(ops.select(ids, 1, LENGTH - 1), end);
    return ids;
  });
}

/** The model alone, beside a plain product of matrices. */
async function modelRow(title: string, model: OwlViT): Promise<Row> {
  const { image_size: side } = model.config.vision_config;
  using pixel_values = randn([1, 3, side, side]);
  using input_ids = drawIds(model.config);
  const detect: Timed = () =>
    seconds(async () => {
      using _ = await model.module.call("detect", { pixel_values, input_ids });
    });
  const flops = [detectorFlops(model.config, QUERIES, LENGTH), MM_FLOPS] as const;
  const measured = await triplets(detect, squareProduct(), flops, ROUNDS);
  return {
    name: `${title} at ${side}, ${QUERIES} queries`,
    seconds: measured.seconds,
    ratio: measured.share,
    peer: "rate of the adjacent mm",
    note: `${measured.kept} triplets`,
  };
}

/** From a file to what the model takes. */
async function preparing(file: string, { processor }: OwlViT): Promise<Estimate> {
  const prepare: Timed = () =>
    seconds(async () => {
      const image = await decodeImage(file);
      using _ = await composeJob({}, (steps) => toPixelValues([image], processor, steps));
    });
  await prepare();
  const times = [];
  for (let i = 0; i < ROUNDS; i++) times.push(await prepare());
  return estimate(times);
}

/** Queries on an embedded picture beside the first one, which embeds it. */
async function* cachedRows(file: string, model: OwlViT): AsyncIterable<Row> {
  const newWords = async () => {
    using input_ids = drawIds(model.config);
    const { text_embeds } = await model.module.call("embed_text", { input_ids });
    using embeds = text_embeds;
    return new Queries(ops.unsqueeze(embeds, 0), new Array(QUERIES).fill("drawn"), "text");
  };
  const askNew = async (image: OwlViTImage) => {
    using queries = await newWords();
    await model.detect(image, queries);
  };
  using embedded = await model.embedImage(file);
  using known = await newWords();
  const ways = {
    "new words": () => askNew(embedded),
    "known words": async () => void (await model.detect(embedded, known)),
  };
  for (const [words, next] of Object.entries(ways)) {
    const first = () => seconds(() => askNew(file));
    const { ours, ratio } = await pairs(() => seconds(next), first, ROUNDS);
    yield {
      name: `next query, ${words}`,
      seconds: ours,
      ratio,
      peer: "faster than the first",
    };
  }
}

/** A 512 x 512 picture of waves. */
async function writePicture(file: string): Promise<void> {
  const side = 512;
  const data = Uint8Array.from({ length: 3 * side * side }, (_, i) => {
    const [x, y] = [Math.floor(i / 3) % side, Math.floor(i / (3 * side))];
    return 128 + 60 * Math.sin(x / 9 + (i % 3)) + 60 * Math.cos(y / 13 + (x * y) / 5000);
  });
  await writeImage({ data, width: side, height: side, channels: 3 }, file);
}

/** The detectors beside a plain product of matrices, and what surrounds the model. */
export const detect: Benchmark = {
  name: "detect",
  async *run() {
    const folder = mkdtempSync(join(tmpdir(), "torchsight-bench-"));
    try {
      const file = join(folder, "waves.jpg");
      await writePicture(file);
      for (const [title, size] of Object.entries(MODELS)) {
        await using model = await OwlViT.random(size, { seed: 1 });
        yield await modelRow(title, model);
        yield { name: `${title}: file to pixels`, seconds: await preparing(file, model) };
        if (size === "owlvit-base-patch32") yield* cachedRows(file, model);
      }
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
};
