/** ViT-22B through TypeScript: parity, options, lifetimes, isolated and sharded runs. */
import { cpSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import test from "ava";
import { zeros } from "../../lib/core/create.js";
import { type ErrorCode, TorchsightError } from "../../lib/core/errors.js";
import { load } from "../../lib/core/load.js";
import type { Module } from "../../lib/core/module.js";
import { native } from "../../lib/core/runtime.js";
import type { ModuleDescription } from "../../lib/core/schema.js";
import type { Tensor } from "../../lib/core/tensor.js";
import {
  params,
  parseConfig,
  VARIANTS,
  ViT22B,
  type ViT22BVariant,
  variant,
} from "../../lib/models/vit22b/index.js";
import { agrees, casesOf, fixture, numbers, temporary, tensorsOf } from "./fixtures.js";
import { nativeShapes } from "./layouts.js";

const PHOTO = fileURLToPath(new URL("../../assets/photos/chelsea.jpg", import.meta.url));
const BASE = fixture("vit22b", "base");
const SHARDABLE = fixture("vit22b", "shardable");
const SMALL = {
  hidden_size: 48,
  num_hidden_layers: 3,
  num_attention_heads: 6,
  intermediate_size: 96,
  image_size: 56,
  num_labels: 4,
};

/** All results of `encode` and, where there is a head, of `classify`, with every tap. */
async function everything(model: Module, folder: string): Promise<Record<string, Tensor>> {
  const { pixel_values } = await tensorsOf(join(folder, "inputs.safetensors"));
  const asked = { args: { telemetry: true }, taps: ["all"] };
  const { taps, ...outputs } = await model.call("encode", { pixel_values }, asked);
  const hasHead = model.parameters.some(({ name }) => name === "head.weight");
  const logits = hasHead ? (await model.call("classify", { pixel_values })).logits : undefined;
  return { ...outputs, ...taps, ...(logits && { logits }) };
}

for (const { name, folder } of casesOf("vit22b")) {
  test(`parity with NumPy in float64: ${name}`, async (t) => {
    await using model = await load(folder);
    const got = await everything(model, folder);
    const expected = await tensorsOf(join(folder, "expected.safetensors"));
    const compared = Object.keys(expected).filter((one) => got[one]);
    t.true(compared.includes("last_hidden_state") && compared.includes("attention_entropy"));
    t.true(
      model.taps.every((tap) => got[tap]),
      "every tap came",
    );
    for (const one of compared) await agrees(t, one, got[one]!, expected[one]!);
  });

  test(`the contract's names and shapes: ${name}`, (t) => {
    const text = readFileSync(join(folder, "config.json"), "utf8");
    const config = parseConfig(JSON.parse(text));
    const described = JSON.parse(native().describeModel(JSON.stringify(config)));
    const { parameters } = described as ModuleDescription;
    const shapes = Object.fromEntries(parameters.map((one) => [one.name, one.shape]));
    t.deepEqual(shapes, nativeShapes(config));
  });
}

for (const name of Object.keys(VARIANTS) as ViT22BVariant[]) {
  test(`parameters of ${name} on the meta device`, (t) => {
    const config = variant(name, { num_labels: 29_593 });
    const described = JSON.parse(native().describeModel(JSON.stringify(config)));
    const { parameters } = described as ModuleDescription;
    const sizes = parameters.map(({ shape }) => shape.reduce((product, size) => product * size, 1));
    t.is(
      sizes.reduce((sum, size) => sum + size, 0),
      params(config).total,
    );
  });
}

for (const options of [
  { isolate: true },
  { tensorParallel: 2 },
  { tensorParallel: 4 },
  { tensorParallel: 8 },
] as const) {
  test(`${JSON.stringify(options)} gives what one process gives`, async (t) => {
    await using whole = await load(SHARDABLE);
    await using other = await load(SHARDABLE, options);
    t.is(whole.pids.length, 0);
    t.is(other.pids.length, options.tensorParallel ?? 1);
    t.false(other.pids.includes(process.pid));
    const expected = await everything(whole, SHARDABLE);
    const got = await everything(other, SHARDABLE);
    t.deepEqual(Object.keys(got).sort(), Object.keys(expected).sort());
    for (const [name, tensor] of Object.entries(got)) {
      await agrees(t, name, tensor, expected[name]!, options.isolate ? 0 : 2e-5);
    }
  });
}

test("three ranks and random weights: as one process with the same seed", async (t) => {
  await using whole = await ViT22B.random(SMALL, { seed: 5 });
  await using sharded = await ViT22B.random(SMALL, { seed: 5, tensorParallel: 3 });
  using expected = await whole.encode(PHOTO);
  using got = await sharded.encode(PHOTO);
  await agrees(t, "tokens", got.last_hidden_state, expected.last_hidden_state, 2e-5);
  await agrees(t, "pooled", got.pooler_output!, expected.pooler_output!, 2e-5);
});

test("heads that cannot be split are refused", async (t) => {
  const error = await t.throwsAsync(async () => await load(BASE, { tensorParallel: 2 }));
  t.is((error as TorchsightError).code, "BAD_CONFIG");
  t.regex(error?.message ?? "", /num_attention_heads/);
});

test("random weights follow the seed", async (t) => {
  const encode = async (seed: number) => {
    await using model = await ViT22B.random(SMALL, { seed });
    using result = await model.encode(PHOTO);
    return [...(await numbers(result.last_hidden_state))];
  };
  const [first, again, other] = [await encode(1), await encode(1), await encode(2)];
  t.deepEqual(first, again);
  t.notDeepEqual(first, other);
});

test("bfloat16 is close to float32", async (t) => {
  await using exact = await ViT22B.random(SMALL, { seed: 3 });
  await using rough = await ViT22B.random(SMALL, { seed: 3, dtype: "bfloat16" });
  using a = await exact.encode(PHOTO);
  using b = await rough.encode(PHOTO);
  const [x, y] = [await numbers(a.last_hidden_state), await numbers(b.last_hidden_state)];
  const dot = (u: Float64Array, v: Float64Array) => u.reduce((sum, one, i) => sum + one * v[i]!, 0);
  t.true(dot(x, y) / Math.sqrt(dot(x, x) * dot(y, y)) > 0.999);
});

test("a photograph in batches gives what it gives alone", async (t) => {
  await using model = await ViT22B.random(SMALL, { seed: 7 });
  using alone = await model.encode(PHOTO);
  using both = await model.encode([PHOTO, readFileSync(PHOTO)]);
  t.deepEqual(alone.last_hidden_state.shape, [1, 16, 48]);
  t.deepEqual(both.last_hidden_state.shape, [2, 16, 48]);
  for (const index of [0, 1]) {
    const one = both.last_hidden_state.index(index).unsqueeze(0);
    await agrees(t, `image ${index}`, one, alone.last_hidden_state);
  }
  using scores = await model.classify([PHOTO]);
  t.deepEqual(scores.logits.shape, [1, 4]);
});

test("bad images are refused", async (t) => {
  await using model = await ViT22B.random(SMALL);
  const { pixel_values } = await tensorsOf(join(BASE, "inputs.safetensors"));
  for (const [images, code] of [
    [[], "BAD_INPUT"],
    [["/nowhere.png"], "NOT_FOUND"],
    [[PHOTO, pixel_values!], "BAD_INPUT"],
  ] as const) {
    await t.throwsAsync(async () => await model.encode([...images]), { code });
  }
});

test("classify without a head is refused", async (t) => {
  await using model = await ViT22B.random({ ...SMALL, num_labels: 0 });
  await t.throwsAsync(async () => await model.classify(PHOTO), { code: "UNSUPPORTED" });
});

test("saved and loaded again, whole and in shards, it is the same model", async (t) => {
  const folder = temporary(t);
  await using model = await ViT22B.random(SMALL, { seed: 11 });
  await model.save(join(folder, "whole"));
  await model.module.save(join(folder, "shards"), { shardBytes: 60_000 });
  using expected = await model.encode(PHOTO);
  for (const name of ["whole", "shards"]) {
    await using again = await ViT22B.load(join(folder, name));
    t.deepEqual(again.config, model.config);
    using got = await again.encode(PHOTO);
    await agrees(t, name, got.last_hidden_state, expected.last_hidden_state, 0);
  }
});

test("a cancel reaches the encoding and is told as such", async (t) => {
  await using model = await ViT22B.random({ ...SMALL, num_hidden_layers: 40 });
  const job = model.encode(PHOTO);
  job.onProgress(() => job.cancel("enough"));
  const error = await t.throwsAsync(async () => await job, { code: "CANCELLED" });
  t.is(error?.cause, "enough");
  t.is(job.state, "cancelled");
  await t.throwsAsync(async () => await model.encode(PHOTO, { signal: AbortSignal.abort() }), {
    code: "CANCELLED",
  });
});

test("disposing waits for the calls that run, and refuses new ones", async (t) => {
  const model = await ViT22B.random({ ...SMALL, num_hidden_layers: 20 });
  const running = model.module.call("encode", { pixel_values: zeros([2, 3, 56, 56]) });
  const closing = model[Symbol.asyncDispose]();
  const error = t.throws(() => model.module.pids, { instanceOf: TorchsightError });
  t.is(error?.code, "DISPOSED");
  await t.throwsAsync(async () => await model.encode(PHOTO), { code: "DISPOSED" });
  using result = await running;
  t.is(result.last_hidden_state.shape[0], 2);
  await closing;
  model.dispose();
});

test("what is wrong with a folder is told by its code", async (t) => {
  const folder = temporary(t);
  const code = async (expected: ErrorCode, pattern: RegExp, path = folder) => {
    const error = await t.throwsAsync(async () => await load(path));
    t.is((error as TorchsightError).code, expected);
    t.regex(error?.message ?? "", pattern);
  };
  await code("NOT_FOUND", /there is no model/, join(folder, "missing"));
  await code("BAD_CHECKPOINT", /found no weights/);
  cpSync(BASE, folder, { recursive: true });
  writeFileSync(join(folder, "config.json"), "{");
  await code("BAD_CONFIG", /expected JSON/);
  writeFileSync(join(folder, "config.json"), "[]");
  await code("BAD_CONFIG", /expected an object/);
  writeFileSync(join(folder, "config.json"), '{"model_type": "vit23b"}');
  await code("UNSUPPORTED", /vit22b for model_type/);
  const config = JSON.parse(readFileSync(join(BASE, "config.json"), "utf8"));
  writeFileSync(join(folder, "config.json"), JSON.stringify({ ...config, qkv_bias: true }));
  await code("BAD_CHECKPOINT", /6 missing: .*blocks\.0\.attn\.q\.bias/);
  rmSync(join(folder, "config.json"));
  await code("BAD_CONFIG", /expected a config\.json/);
});

test("bad options are refused before anything is read", async (t) => {
  for (const [options, code] of [
    [{ dtype: "int8" }, "BAD_INPUT"],
    [{ tensorParallel: 0 }, "BAD_INPUT"],
    [{ seed: -1 }, "BAD_INPUT"],
    [{ threads: 1.5 }, "BAD_INPUT"],
    [{ layout: "rows" }, "BAD_INPUT"],
    [{ group: "nccl" }, "BAD_INPUT"],
    [{ overlap: "always" }, "BAD_INPUT"],
    [{ pieces: 0 }, "BAD_INPUT"],
    [{ dataParallel: 1.5 }, "BAD_INPUT"],
  ] as const) {
    await t.throwsAsync(async () => await load(BASE, options as object), { code });
  }
});

test("explain: names and indices mean the same labels; others are refused", async (t) => {
  const id2label = { 0: "bird", 1: "boat", 2: "bee", 3: "bus" };
  await using model = await ViT22B.random({ ...SMALL, pooling: "mean", id2label });
  using named = await model.explain(PHOTO, { labels: ["bee", "bird"] });
  using indexed = await model.explain(PHOTO, { labels: [2, 0] });
  t.deepEqual(named.maps.shape, [1, 2, 16]);
  t.deepEqual(await numbers(named.maps), await numbers(indexed.maps));
  for (const label of ["bear", 4, 1.5]) {
    const error = await t.throwsAsync<TorchsightError>(model.explain(PHOTO, { labels: [label] }));
    t.is(error?.code, "BAD_INPUT");
    t.regex(error!.message, /one of bird, boat, bee, bus/);
  }
});
