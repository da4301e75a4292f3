/** The addon on a card. Each test is skipped by name where there is none. */
import test from "ava";
import {
  createModule,
  devices,
  emptyCache,
  lanes,
  type Module,
  manualSeed,
  memoryStats,
  ops,
  type Tensor,
  zeros,
} from "torchsight";

const CARD = "cuda:0";
const gpu = devices().some(({ name }) => name === CARD) ? test.serial : test.serial.skip;
const CONFIG = {
  model_type: "vit22b",
  hidden_size: 256,
  num_hidden_layers: 3,
  num_attention_heads: 4,
  intermediate_size: 512,
  image_size: 56,
};

async function numbers(tensor: Tensor): Promise<Float64Array> {
  return (await tensor.to("float64").data()) as Float64Array;
}

async function pooled(model: Module, pixels: Tensor): Promise<Float64Array> {
  using result = await model.call("encode", { pixel_values: pixels });
  return await numbers(result.pooler_output!);
}

function near(a: Float64Array, b: Float64Array): number {
  return a.reduce((most, value, i) => Math.max(most, Math.abs(value - b[i]!)), 0);
}

function pictures(): Tensor {
  manualSeed(1);
  return ops.randn([2, 3, 56, 56]);
}

gpu("a card has a name, a model and memory that follows tensors", (t) => {
  const card = devices().find(({ name }) => name === CARD);
  t.true((card?.memory ?? 0) > 2 ** 30);
  const before = memoryStats(CARD);
  const x = zeros([1024, 1024]).to(CARD);
  t.is(x.device, CARD);
  t.true(memoryStats(CARD).allocated >= before.allocated + 2 ** 22);
  x.dispose();
  emptyCache(CARD);
  t.true(memoryStats(CARD).reserved <= memoryStats(CARD).total);
  t.is(memoryStats(CARD).allocated, before.allocated);
});

gpu("a model says on a card what it says on the CPU, in one process or two", async (t) => {
  using x = pictures();
  await using plain = await createModule(CONFIG, { seed: 3 });
  const expected = await pooled(plain, x);
  for (const isolate of [false, true]) {
    await using model = await createModule(CONFIG, { seed: 3, device: "cuda", isolate });
    t.true(near(await pooled(model, x), expected) < 1e-3);
  }
});

gpu("a captured model says the same, call after call", async (t) => {
  using x = pictures();
  await using plain = await createModule(CONFIG, { seed: 3, device: CARD });
  await using model = await createModule(CONFIG, {
    seed: 3,
    device: CARD,
    extra: { graph: true },
  });
  const expected = await pooled(plain, x);
  for (let i = 0; i < 4; i++) t.true(near(await pooled(model, x), expected) < 1e-3);
});

gpu("OUT_OF_MEMORY fifty times in a row, and the card goes on", async (t) => {
  const whole = Math.floor(memoryStats(CARD).total / 4);
  for (let i = 0; i < 50; i++) {
    const full = async () => await ops.job.zeros([whole], { device: CARD });
    await t.throwsAsync(full, { code: "OUT_OF_MEMORY" });
  }
  const sum = await ops.job.sum(zeros([8]).to(CARD).add(1));
  t.deepEqual([...(await numbers(sum as Tensor))], [8]);
});

gpu("a model that is too large for the card is refused before it is made", async (t) => {
  const huge = { ...CONFIG, hidden_size: 65536, num_attention_heads: 64, num_hidden_layers: 200 };
  const loading = async () => await createModule(huge, { device: CARD });
  await t.throwsAsync(loading, { code: "OUT_OF_MEMORY", message: /tensorParallel/ });
});

gpu("jobs of the card and of the CPU are counted together", async (t) => {
  const before = lanes.counters().completed;
  await ops.job.sum(zeros([8]).to(CARD));
  await ops.job.sum(zeros([8]));
  t.is(lanes.counters().completed, before + 2);
});

gpu("weights of bfloat16 and of float8", async (t) => {
  using x = pictures();
  const options = { seed: 3, device: CARD, dtype: "bfloat16" } as const;
  await using plain = await createModule(CONFIG, options);
  const expected = await pooled(plain, x);
  try {
    await using narrow = await createModule(CONFIG, { ...options, extra: { weights: "float8" } });
    t.true(near(await pooled(narrow, x), expected) < 0.5);
  } catch (error) {
    // Cards before compute capability 8.9.
    t.is((error as { reason?: string }).reason, "NO_FLOAT8");
  }
});
