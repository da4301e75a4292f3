import { randn } from "../core/create.js";
import { createModule, type LoadOptions } from "../core/load.js";
import type { Module } from "../core/module.js";
import { type Estimate, estimate, pairs, seconds, type Timed } from "./measure.js";
import type { Benchmark, Row } from "./report.js";

const RANKS = 2;
const ROUNDS = 21;

/** Messages of 128 KiB and more, which `auto` hides. */
const LARGE = {
  model_type: "vit22b",
  hidden_size: 512,
  num_hidden_layers: 8,
  num_attention_heads: 8,
  intermediate_size: 2048,
  image_size: 224,
  patch_size: 14,
  pooling: "mean",
} as const;
/** Messages below the size from which `auto` hides them. */
const SMALL = { ...LARGE, hidden_size: 64, intermediate_size: 256, image_size: 112 } as const;

/** Messages of a call in layout `tokens`: each layer gathers and reduces once over the ring. */
const MESSAGES = 2 * LARGE.num_hidden_layers * (RANKS - 1);

const rank = (config: typeof LARGE | typeof SMALL, options: LoadOptions): Promise<Module> =>
  createModule(config, { tensorParallel: RANKS, group: "gloo", threads: 1, ...options });

function encode(model: Module, size: number): Timed {
  const pixel_values = randn([1, 3, size, size]);
  return () =>
    seconds(async () => {
      using _ = await model.call("encode", { pixel_values });
    });
}

/** What hiding costs without a delay: plain over overlapped time. */
async function costRow(
  name: string,
  config: typeof LARGE | typeof SMALL,
  judge: (ratio: number) => string,
): Promise<Row> {
  await using hidden = await rank(config, { overlap: "ring" });
  await using plain = await rank(config, { overlap: "none" });
  const size = config.image_size;
  const { ours, ratio } = await pairs(encode(hidden, size), encode(plain, size), ROUNDS);
  return {
    name: `overlap: ${name} messages, ring`,
    seconds: ours,
    ratio,
    peer: "rate of the plain path",
    note: judge(ratio.median),
  };
}

/** Which part of the time that messages add is hidden when each takes `microseconds` longer. */
async function hiddenRow(share: number, alone: number): Promise<Row> {
  const messageDelay = Math.round((1e6 * share * alone) / MESSAGES);
  await using undelayed = await rank(LARGE, { overlap: "none" });
  await using plain = await rank(LARGE, { overlap: "none", extra: { messageDelay } });
  await using hidden = await rank(LARGE, { overlap: "ring", extra: { messageDelay } });
  const timed = [undelayed, plain, hidden].map((model) => encode(model, LARGE.image_size));
  for (const once of timed) await once();
  const times: number[] = [];
  const parts: number[] = [];
  for (let i = 0; i < ROUNDS; i++) {
    const [base, exposed, overlapped] = [await timed[0]!(), await timed[1]!(), await timed[2]!()];
    times.push(overlapped);
    parts.push((exposed - overlapped) / (exposed - base));
  }
  const part: Estimate = estimate(parts);
  return {
    name: `overlap: messages of ${messageDelay} µs`,
    seconds: estimate(times),
    ratio: part,
    peer: "of their time hidden",
    note: `at least 0.5 wanted, ${part.median >= 0.5 ? "met" : "missed"}`,
  };
}

/** Messages between two ranks behind products: with delays put in, and without. */
export const overlap: Benchmark = {
  name: "overlap",
  async *run() {
    yield await costRow("large", LARGE, (ratio) => {
      return `at least 0.95 wanted, ${ratio >= 0.95 ? "met" : "missed"}`;
    });
    // Under `auto` both sides would be the plain path.
    yield await costRow("small", SMALL, () => "auto leaves these be");
    await using undelayed = await rank(LARGE, { overlap: "none" });
    const once = encode(undelayed, LARGE.image_size);
    await once();
    const alone = Math.min(await once(), await once(), await once());
    for (const share of [0.25, 0.5]) yield await hiddenRow(share, alone);
  },
};
