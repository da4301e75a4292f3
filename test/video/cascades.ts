/** Small cascades of four stages, with weights that say something. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { tensor } from "../../lib/core/create.js";
import { readTensors, writeTensors } from "../../lib/core/files.js";
import {
  type CascadeInput,
  type ImagenVideoConfigInput,
  type StageInput,
  VideoStage,
} from "../../lib/models/imagen_video/index.js";
import { T5Encoder } from "../../lib/models/t5/index.js";
import { fixture } from "../models/fixtures.js";

const NETWORK: ImagenVideoConfigInput = {
  model_type: "imagen_video_unet",
  dim: 8,
  dim_mults: [1, 1],
  blocks: [1, 1],
  self_attention: [0, 1],
  text_attention: [0, 1],
  temporal: "both",
  text_width: 16,
  context_width: 8,
  head_dim: 4,
  norm_groups: 2,
};
const LARGER: ImagenVideoConfigInput = {
  ...NETWORK,
  self_attention: [0, 0],
  temporal: "convolution",
  low_res_channels: 3,
};

/** The networks of {@link CASCADE}, by the names of the stages. */
export const NETWORKS: Record<string, ImagenVideoConfigInput> = {
  base: NETWORK,
  tsr1: { ...LARGER, low_res_channels: 4 },
  ssr1: LARGER,
  ssr2: { ...LARGER, kind: "efficient", dim_mults: [1], blocks: [1], self_attention: [0] },
};
NETWORKS.ssr2!.text_attention = [1];

const stage = (
  name: string,
  kind: StageInput["kind"],
  frames: number,
  side: number,
  more: Partial<StageInput> = {},
): StageInput => ({
  ...{ name, kind, frames, height: side, width: side, fps: frames },
  ...{ sampler: { steps: 3 }, threshold: { percentile: 0.99 } },
  ...more,
});

/** 2 frames of 4 x 4 to 4 of 16 x 16. */
export const CASCADE: CascadeInput = {
  text: { folder: "text", max_length: 12 },
  stages: [
    stage("base", "base", 2, 4, { sampler: { kind: "ancestral", steps: 4 }, guidance: 2 }),
    stage("tsr1", "time", 4, 4, { fill: "blank", guidance: 1 }),
    stage("ssr1", "space", 4, 8),
    stage("ssr2", "space", 4, 16, { augmentation_snr: 3 }),
  ],
};

/** A number between -1 and 1 for each place, of a spread of about a half. */
function drawn(place: number, count: number, scale: number): Float32Array {
  return Float32Array.from({ length: count }, (_, at) => {
    const turned = Math.sin((place + 1) * 12.9898 + at * 78.233) * 43758.5453;
    return scale * 2 * (turned - Math.floor(turned) - 0.5);
  });
}

/** Writes a stage's network. Its weights say something, unlike those that training begins with. */
export async function writeStage(folder: string, config: ImagenVideoConfigInput): Promise<void> {
  await using network = await VideoStage.random(config, { seed: 1 });
  await network.save(folder);
  const file = join(folder, "model.safetensors");
  using read = await readTensors(file);
  const tensors = Object.entries(read).map(([name, { shape }], place) => {
    const count = shape.reduce((product, side) => product * side, 1);
    const inner = shape.slice(1).reduce((product, side) => product * side, 1);
    const norm = /norm.*weight$/.test(name);
    const values = drawn(place, count, norm ? 0.3 : 1.5 / Math.sqrt(inner));
    return [name, tensor(norm ? values.map((value) => 1 + value) : values, { shape })] as const;
  });
  await writeTensors(file, Object.fromEntries(tensors));
}

/** Writes the cascade, its networks and a text encoder. */
export async function writeCascade(folder: string): Promise<void> {
  for (const [name, config] of Object.entries(NETWORKS)) {
    await writeStage(join(folder, name), config);
  }
  const options = { seed: 1, tokenizer: fixture("t5_tokens") };
  const small = { vocab_size: 207, d_model: 16, d_kv: 4, d_ff: 24, num_layers: 1, num_heads: 2 };
  await using text = await T5Encoder.random({ model_type: "t5", ...small }, options);
  await text.save(join(folder, "text"));
  writeFileSync(join(folder, "cascade.json"), JSON.stringify(CASCADE));
}
