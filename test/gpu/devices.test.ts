/** What is said of cards that are not there; the figures of memory that any device has. */
import test from "ava";
import {
  createModule,
  devices,
  emptyCache,
  memoryStats,
  ones,
  TorchsightError,
  zeros,
} from "torchsight";

const CONFIG = {
  model_type: "vit22b",
  hidden_size: 32,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  intermediate_size: 48,
  image_size: 12,
  patch_size: 4,
};
const withoutCard = devices().some(({ name }) => name.startsWith("cuda")) ? test.skip : test;

test("memory of the CPU in the terms of a card's", (t) => {
  const before = memoryStats();
  const x = ones([1024, 1024]);
  const during = memoryStats("cpu");
  t.is(during.allocated, before.allocated + 2 ** 22);
  t.true(during.reserved >= during.allocated);
  t.true(during.peak >= during.allocated);
  t.true(during.total > 2 ** 28);
  x.dispose();
  emptyCache("cpu");
  const after = memoryStats();
  t.is(after.allocated, before.allocated);
  t.is(after.reserved, after.allocated);
  t.notThrows(() => emptyCache());
});

test("names that are no devices are refused", (t) => {
  for (const name of ["gpu", "", "cuda:x"]) {
    t.throws(() => memoryStats(name), { code: "BAD_INPUT", instanceOf: TorchsightError });
    t.throws(() => emptyCache(name), { code: "BAD_INPUT", instanceOf: TorchsightError });
  }
  t.throws(() => memoryStats(0 as never), { code: "BAD_INPUT" });
});

withoutCard("a card that is not there is UNSUPPORTED, with what is missing", async (t) => {
  for (const work of [() => memoryStats("cuda:0"), () => emptyCache("cuda")]) {
    const error = t.throws(work, { code: "UNSUPPORTED", instanceOf: TorchsightError });
    t.truthy((error as TorchsightError).reason);
  }
  const options = [
    { device: "cuda" },
    { device: "cuda:1" },
    { device: "cuda", isolate: true },
    { device: "cuda", dataParallel: 2 },
    { device: "cuda", tensorParallel: 2, group: "local" as const },
  ];
  for (const option of options) {
    const loading = async () => await createModule(CONFIG, option);
    const error = await t.throwsAsync(loading, { code: "UNSUPPORTED" });
    t.regex(error?.message ?? "", /cuda|driver|card/);
  }
  const master = { host: "127.0.0.1", port: 1 };
  const joining = { device: "cuda", group: { rank: 0, size: 2, master, timeout: 60_000 } };
  const begin = performance.now();
  await t.throwsAsync(async () => await createModule(CONFIG, joining), { code: "UNSUPPORTED" });
  t.true(performance.now() - begin < 30_000); // nobody is waited for
  await using auto = await createModule(CONFIG, { device: "auto" });
  using result = await auto.call("encode", { pixel_values: zeros([1, 3, 12, 12]) });
  t.deepEqual([...result.pooler_output!.shape], [1, 32]);
});

test("graphs need a device that can capture, float8 weights one rank", async (t) => {
  const graph = async () => await createModule(CONFIG, { extra: { graph: true } });
  await t.throwsAsync(graph, { code: "UNSUPPORTED", message: /graph/ });
  const sharded = { extra: { weights: "float8" }, tensorParallel: 2 };
  await t.throwsAsync(async () => await createModule(CONFIG, sharded), { code: "UNSUPPORTED" });
  const unknown = { extra: { weights: "int2" } };
  await t.throwsAsync(async () => await createModule(CONFIG, unknown), { code: "BAD_INPUT" });
});
