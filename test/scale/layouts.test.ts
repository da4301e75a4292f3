/** Ranks that compute one model: layouts, kinds of groups, meshes, hidden messages, traces. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { manualSeed, randn, tensor } from "../../lib/core/create.js";
import { createModule, GROUPS, LAYOUTS, type LoadOptions } from "../../lib/core/load.js";
import "../../lib/models/index.js";
import type { Tensor } from "../../lib/core/tensor.js";
import { agrees, temporary } from "../models/fixtures.js";
import { SMALL_VIT as CONFIG } from "./small_vit.js";

/** 25 tokens each: no number of ranks here divides them. */
function pictures(count: number): Tensor {
  manualSeed(count);
  return randn([count, 3, 20, 20]);
}

async function encode(options: LoadOptions, pixel_values: Tensor) {
  await using model = await createModule(CONFIG, { seed: 5, ...options });
  return await model.call("encode", { pixel_values }, { taps: ["all"] });
}

async function same(t: ExecutionContext, options: LoadOptions, gate: number) {
  using pixels = pictures(3);
  using expected = await encode({}, pixels);
  using got = await encode(options, pixels);
  for (const name of ["last_hidden_state", "pooler_output"]) {
    await agrees(t, name, got[name]!, expected[name]!, gate);
  }
  t.deepEqual(Object.keys(got.taps), Object.keys(expected.taps));
  for (const [name, tap] of Object.entries(got.taps)) {
    await agrees(t, name, tap, expected.taps[name]!, gate);
  }
}

for (const layout of LAYOUTS) {
  for (const group of GROUPS) {
    for (const tensorParallel of group === "local" ? [2, 3, 4] : [3]) {
      test(`${tensorParallel} ${group} ranks, layout ${layout}: as one process`, async (t) => {
        await same(t, { tensorParallel, group, layout, overlap: "ring", pieces: 2 }, 2e-5);
      });
    }
  }

  test(`hiding messages changes no bit over Gloo, layout ${layout}`, async (t) => {
    using pixels = pictures(2);
    const results: string[] = [];
    for (const overlap of ["ring", "none", "ring"] as const) {
      using result = await encode({ tensorParallel: 2, layout, overlap, pieces: 2 }, pixels);
      results.push(Buffer.from((await result.last_hidden_state!.data()).buffer).toString("base64"));
    }
    t.is(results[0], results[1]);
    t.is(results[0], results[2]);
  });
}

for (const group of GROUPS) {
  test(`a mesh of 2 x 2 ${group} ranks: as one process, batches of any size`, async (t) => {
    const options = { tensorParallel: 2, dataParallel: 2, group } as const;
    await using whole = await createModule(CONFIG, { seed: 5 });
    await using mesh = await createModule(CONFIG, { seed: 5, ...options });
    t.is(mesh.pids.length, group === "gloo" ? 4 : 0);
    for (const count of [1, 2, 5]) {
      using pixel_values = pictures(count);
      using expected = await whole.call("encode", { pixel_values }, { taps: ["blocks.1"] });
      using got = await mesh.call("encode", { pixel_values }, { taps: ["blocks.1"] });
      await agrees(t, "pooled", got.pooler_output!, expected.pooler_output!, 2e-5);
      await agrees(t, "tap", got.taps["blocks.1"]!, expected.taps["blocks.1"]!, 2e-5);
    }
    using pixel_values = pictures(2);
    const telemetry = mesh.call("encode", { pixel_values }, { args: { telemetry: true } });
    await t.throwsAsync(async () => await telemetry, {
      code: "UNSUPPORTED",
      message: /batches .* max_attention_logit/,
    });
  });

  test(`${group} ranks: what all refuse alike, and a cancel, leave the group usable`, async (t) => {
    // Deep, so that it is still under way when a cancel at its first layer arrives.
    const deep = { ...CONFIG, num_hidden_layers: 64 };
    await using model = await createModule(deep, { seed: 5, tensorParallel: 2, group });
    using wrong = randn([1, 4, 20, 20]);
    using right = pictures(1);
    await t.throwsAsync(async () => await model.call("encode", { pixel_values: wrong }), {
      code: "SHAPE",
    });
    const pids = [...model.pids];
    const progress: number[] = [];
    const cancelled = model.call("encode", { pixel_values: right });
    cancelled.onProgress(({ done }) => {
      progress.push(done);
      cancelled.cancel();
    });
    await t.throwsAsync(async () => await cancelled, { code: "CANCELLED" });
    t.true(progress.length > 0);
    using _ = await model.call("encode", { pixel_values: right });
    t.deepEqual(model.pids, pids, "no worker was started anew");
  });

  test(`${group} ranks write one trace, with messages under way during products`, async (t) => {
    const trace = join(temporary(t), "trace.json");
    const options = { tensorParallel: 2, group, overlap: "ring", pieces: 2 } as const;
    await using model = await createModule(CONFIG, { seed: 5, ...options });
    using pixel_values = pictures(2);
    using _ = await model.call("encode", { pixel_values }, { trace });
    const { traceEvents } = JSON.parse(readFileSync(trace, "utf8")) as {
      traceEvents: { name: string; ph: string; pid: number; ts: number; dur: number }[];
    };
    for (const pid of [0, 1]) {
      const mine = traceEvents.filter((event) => event.pid === pid && event.ph === "X");
      const messages = mine.filter(({ name }) => name.startsWith("send and receive"));
      const products = mine.filter(({ name }) => name === "product");
      // One ring into and one out of each of 3 layers, a message for each piece.
      t.is(messages.length, 3 * 2 * 2);
      t.true(messages.some((m) => products.some((p) => p.ts >= m.ts && p.ts < m.ts + m.dur)));
      t.is(mine.filter(({ name }) => name === "block").length, 3);
    }
  });
}

const GEMMA = {
  model_type: "gemma",
  vocab_size: 60,
  hidden_size: 32,
  intermediate_size: 48,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 1,
  head_dim: 8,
};

for (const group of GROUPS) {
  test(`a language model on 2 ${group} ranks: the same texts and logits`, async (t) => {
    const input_ids = tensor([[5n, 17n, 3n, 40n]], { dtype: "int64" });
    const args = { max_new_tokens: 6 };
    const write = async (options: LoadOptions) => {
      await using model = await createModule(GEMMA, { seed: 2, ...options });
      const streamed: number[] = [];
      const job = model.call("generate", { input_ids }, { args });
      for await (const item of job) streamed.push(Number(await item.token_ids!.item()));
      const { sequences } = await job;
      using session = model.openSession("cache", { max_length: 12 });
      using first = await session.call("prefill", { input_ids });
      const ids = tensor([[7n]], { dtype: "int64" });
      using next = await session.call("step", { input_ids: ids });
      const logits = [...(await first.logits!.data()), ...(await next.logits!.data())].map(Number);
      return { sequences: [...(await sequences!.data())].map(Number), streamed, logits };
    };
    const expected = await write({});
    const got = await write({ tensorParallel: 2, group });
    t.deepEqual(got.sequences, expected.sequences);
    t.deepEqual(got.streamed, expected.streamed);
    t.is(got.streamed.length, 6);
    for (const [place, logit] of got.logits.entries()) {
      t.true(Math.abs(logit - expected.logits[place]!) < 1e-4);
    }
  });
}

test("a trace that cannot be written is told of", async (t) => {
  await using model = await createModule(CONFIG);
  using pixel_values = pictures(1);
  const trace = join(temporary(t), "missing", "trace.json");
  await t.throwsAsync(async () => await model.call("encode", { pixel_values }, { trace }), {
    code: "NOT_FOUND",
    message: /missing/,
  });
});

test("heads that do not divide are refused before weights are read", async (t) => {
  for (const layout of LAYOUTS) {
    const refused = createModule(CONFIG, { layout, tensorParallel: 5, group: "local" });
    await t.throwsAsync(async () => await refused, {
      code: "BAD_CONFIG",
      message: /a multiple of 5 .* num_attention_heads but received 12/,
    });
  }
});
