/** T5's encoder: parity with transformers, checkpoints, published sizes, bad input. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import { openCheckpoint } from "../../lib/core/checkpoint.js";
import { tensor } from "../../lib/core/create.js";
import { createModule, load } from "../../lib/core/load.js";
import type { Module } from "../../lib/core/module.js";
import { ops } from "../../lib/core/ops.js";
import type { Tensor } from "../../lib/core/tensor.js";
import "../../lib/models/index.js";
import { parseConfig, type T5Variant, VARIANTS, variant } from "../../lib/models/t5/index.js";
import { namesOf } from "../../lib/models/t5/weights.js";
import { agrees, casesOf, fixture, numbers, temporary, tensorsOf } from "./fixtures.js";
import { describedBy } from "./names.js";

type Named = Record<string, Tensor>;

const inputsOf = async (folder: string) =>
  (await tensorsOf(join(folder, "inputs.safetensors"))) as Named;

async function encode(model: Module, inputs: Named): Promise<Named> {
  const { taps, ...outputs } = await model.call("encode", inputs, { taps: ["all"] });
  return { ...(outputs as Named), ...(taps as Named) };
}

for (const { name, folder } of casesOf("t5")) {
  test(`parity with transformers: ${name}`, async (t) => {
    await using model = await load(folder);
    const got = await encode(model, await inputsOf(folder));
    const expected = await tensorsOf(join(folder, "expected.safetensors"));
    t.deepEqual(Object.keys(got).sort(), Object.keys(expected).sort());
    for (const [one, value] of Object.entries(expected)) await agrees(t, one, got[one]!, value);
  });
}

for (const [options, gate] of [
  [{ dtype: "float64" }, 5e-6],
  [{ dtype: "bfloat16" }, 0.1],
  [{ extra: { fuse: false } }, 5e-5],
  [{ isolate: true }, 5e-5],
] as const) {
  test(`parity with ${JSON.stringify(options)}`, async (t) => {
    const folder = fixture("t5", "long");
    await using model = await load(folder, options);
    const { last_hidden_state: got } = await encode(model, await inputsOf(folder));
    const { last_hidden_state: want } = await tensorsOf(join(folder, "expected.safetensors"));
    await agrees(t, "last_hidden_state", got!, want!, gate);
  });
}

test("what stands at padding has no effect on what is seen", async (t) => {
  const folder = fixture("t5", "gated");
  await using model = await load(folder);
  const { input_ids, attention_mask } = await inputsOf(folder);
  const seen = ops.unsqueeze(attention_mask!, -1);
  const results: Tensor[] = [];
  for (const filling of [0, 17]) {
    const ids = ops.where(
      ops.eq(attention_mask!, 1),
      input_ids!,
      ops.full_like(input_ids!, filling),
    );
    const inputs = { input_ids: ids, attention_mask: attention_mask! };
    const { last_hidden_state } = (await model.call("encode", inputs)) as unknown as Named;
    results.push(ops.mul(last_hidden_state!, seen));
  }
  await agrees(t, "seen tokens", results[0]!, results[1]!, 0);
});

test("a whole T5 gives its encoder, and what is saved is a file of the encoder", async (t) => {
  const folder = fixture("t5", "whole");
  const read = openCheckpoint(join(folder, "model.safetensors")).tensors.map(({ name }) => name);
  t.true(read.some((name) => name.startsWith("decoder.")));
  await using model = await load(folder);
  const target = temporary(t);
  await model.save(target);
  const names = openCheckpoint(join(target, "model.safetensors")).tensors.map(({ name }) => name);
  const own = read.filter((name) => !/^(decoder|lm_head)/.test(name));
  t.deepEqual(names.toSorted(), own.toSorted());
  await using again = await load(target);
  const inputs = await inputsOf(folder);
  const [one, two] = [await encode(model, inputs), await encode(again, inputs)];
  await agrees(t, "the same", two.last_hidden_state!, one.last_hidden_state!, 0);
  const saved = JSON.parse(readFileSync(join(target, "config.json"), "utf8"));
  t.deepEqual(saved.architectures, ["T5EncoderModel"]);
});

/** Parameters of the encoders, the token table counted once. */
const COUNTS: Record<T5Variant, number> = {
  "t5-v1_1-small": 35_332_800,
  "t5-v1_1-base": 109_628_544,
  "t5-v1_1-large": 341_231_104,
  "t5-v1_1-xl": 1_223_527_424,
  "t5-v1_1-xxl": 4_762_310_656,
};

for (const name of Object.keys(VARIANTS) as T5Variant[]) {
  test(`${name}: parameters on the meta device, each with its name`, (t) => {
    const config = variant(name);
    const { parameters, elements } = describedBy(config);
    t.is(elements, COUNTS[name]);
    const patterns = new Set(
      parameters.map(({ name: one }) =>
        one.includes("relative") ? one : one.replace(/block\.\d+\./, "block.{}."),
      ),
    );
    t.deepEqual([...patterns].sort(), namesOf(config).sort());
    const { d_model: d, d_ff: hidden, d_kv, num_heads, num_layers, vocab_size } = config;
    const layer = 4 * d * d_kv * num_heads + 3 * d * hidden + 2 * d;
    t.is(elements, num_layers * layer + 32 * num_heads + d + vocab_size * d);
  });
}

test("bad input is refused with its code", async (t) => {
  await using model = await load(fixture("t5", "relu"));
  const refused = (work: () => PromiseLike<unknown>, code: string, message: RegExp) =>
    t.throwsAsync(async () => await work(), { code, message });
  const ids = (...values: bigint[]) =>
    tensor(values, { shape: [1, values.length], dtype: "int64" });
  const read = (input_ids: Tensor, mask: object = {}) =>
    model.call("encode", { input_ids, ...mask });
  await refused(() => read(ids(61n)), "BAD_INPUT", /0 to 60 for input_ids/);
  await refused(() => read(ids(-1n)), "BAD_INPUT", /0 to 60 for input_ids/);
  await refused(() => read(ids()), "SHAPE", /1 to 32768 tokens/);
  await refused(() => read(ids(1n), { attention_mask: ids(0n) }), "BAD_INPUT", /a token to see/);
  await refused(() => read(ids(1n), { attention_mask: ids(1n, 1n) }), "SHAPE", /attention_mask/);
  const cancelled = read(ids(1n));
  cancelled.cancel();
  await refused(() => cancelled, "CANCELLED", /cancelled/);
  const half = () => load(fixture("t5", "relu"), { dtype: "float16" });
  await refused(half, "UNSUPPORTED", /float16, in which T5's feed-forward overflows/);
  t.true(Number.isFinite((await numbers(await (await read(ids(1n))).last_hidden_state!))[0]));
});

test("configs that no model can be made of are refused by the name of the field", async (t) => {
  const cases: [object, RegExp][] = [
    [{ d_model: 0 }, /d_model/],
    [{ d_kv: 1.5 }, /d_kv/],
    [{ d_ff: 1 << 21 }, /d_ff/],
    [{ num_layers: 5000 }, /num_layers/],
    [{ num_heads: 1 << 18 }, /num_heads/],
    [{ relative_attention_num_buckets: 6 }, /relative_attention_num_buckets/],
    [{ relative_attention_max_distance: 8 }, /more than 8 for relative_attention_max_distance/],
    [{ layer_norm_epsilon: 0 }, /layer_norm_epsilon/],
    [{ feed_forward_proj: "gated-silu" }, /relu, gated-gelu for feed_forward_proj/],
    [{ vocab_size: "all" }, /vocab_size/],
  ];
  for (const [fields, message] of cases) {
    const config = { model_type: "t5", ...fields };
    await t.throwsAsync(async () => await createModule(config), { code: "BAD_CONFIG", message });
  }
  t.throws(() => parseConfig({}), { code: "BAD_CONFIG", message: /model_type/ });
  t.throws(() => variant("t5-tiny" as never), { code: "BAD_CONFIG", message: /t5-v1_1-xxl/ });
});
