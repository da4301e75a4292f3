/** One model on four and eight processes over Gloo: right, and the same bits each time. */
import test, { type ExecutionContext } from "ava";
import { manualSeed, randn } from "../../lib/core/create.js";
import { createModule, LAYOUTS, type LoadOptions } from "../../lib/core/load.js";
import type { Module } from "../../lib/core/module.js";
import type { Tensor } from "../../lib/core/tensor.js";
import "../../lib/models/index.js";
import { agrees } from "../models/fixtures.js";
import { SMALL_VIT } from "./small_vit.js";

const linux = process.platform === "linux" ? test.serial : test.serial.skip;

/** Heads and hidden units divide by both numbers of ranks. */
const CONFIG = { ...SMALL_VIT, num_attention_heads: 8 };
/** Of the largest deviation, in standard deviations: see `agrees`. */
const GATE = 2e-5;

type Results = Record<string, Tensor>;

async function encode(model: Module, pixel_values: Tensor): Promise<Results> {
  const { taps, ...outputs } = await model.call("encode", { pixel_values }, { taps: ["all"] });
  return { ...outputs, ...taps } as Results;
}

async function sameBits(t: ExecutionContext, results: Results, expected: Results, what: string) {
  t.deepEqual(Object.keys(results), Object.keys(expected));
  for (const [name, tensor] of Object.entries(expected)) {
    t.deepEqual(await results[name]!.data(), await tensor.data(), `${name} of ${what}`);
  }
}

async function check(t: ExecutionContext, options: LoadOptions): Promise<void> {
  manualSeed(options.tensorParallel!);
  // 25 tokens each: they divide by neither number of ranks.
  using pixels = randn([2, 3, 20, 20]);
  await using whole = await createModule(CONFIG, { seed: 5 });
  await using ranks = await createModule(CONFIG, { seed: 5, ...options });
  const results = await encode(ranks, pixels);
  for (const [name, expected] of Object.entries(await encode(whole, pixels))) {
    await agrees(t, name, results[name]!, expected, GATE);
  }
  await sameBits(t, await encode(ranks, pixels), results, "a second call");
  await using others = await createModule(CONFIG, { seed: 5, ...options });
  const pids = new Set([...ranks.pids, ...others.pids]);
  t.is(pids.size, 2 * options.tensorParallel!);
  await sameBits(t, await encode(others, pixels), results, "other processes");
}

for (const layout of LAYOUTS) {
  linux(`4 processes, layout ${layout}: as one process, and again the same bits`, async (t) => {
    await check(t, { tensorParallel: 4, layout });
  });
}

linux("8 processes: as one process, and again the same bits", async (t) => {
  await check(t, { tensorParallel: 8 });
});
