/** `reshard`, and `inspect` of what it writes. */
import { existsSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import test from "ava";
import { agrees, fixture, temporary, tensorsOf } from "../models/fixtures.js";
import { torchsight } from "./run.js";

const SHARDABLE = fixture("vit22b", "shardable");
const MANIFEST = "torchsight-shards.json";

const inspect = async (path: string) =>
  JSON.parse((await torchsight("inspect", path, "--json")).stdout);

test("a checkpoint over four ranks: written, inspected, called, put together again", async (t) => {
  const root = temporary(t);
  const four = join(root, "four");
  const ran = await torchsight("reshard", SHARDABLE, "--ranks", "4", "--out", four, "--json");
  t.is(ran.code, 0, ran.stderr);
  const { files, tensors, ...told } = JSON.parse(ran.stdout);
  t.is(files.length, 4);
  t.like(told, { out: four, ranks: 4, layout: "tokens" });

  const [seen, whole] = [await inspect(four), await inspect(SHARDABLE)];
  t.is(seen.tensors.length, tensors);
  t.is(seen.parameters, whole.parameters);
  t.deepEqual(seen.config, whole.config);
  t.like(seen.metadata, { ranks: 4, layout: "tokens" });
  const facts = (document: typeof whole) =>
    document.tensors
      .map(({ name, dtype, shape, bytes }: Record<string, unknown>) => [name, dtype, shape, bytes])
      .toSorted();
  t.deepEqual(facts(seen), facts(whole));
  const query = seen.tensors.find(
    ({ name }: { name: string }) => name === "blocks.0.attn.q.weight",
  );
  t.is(query.cut, 0);
  t.deepEqual(
    query.pieces.map(({ file }: { file: string }) => file),
    files,
  );
  t.is(basename(query.file), MANIFEST);
  const text = await torchsight("inspect", four);
  t.regex(text.stdout, /^blocks\.0\.attn\.q\.weight\s+float32 \[\d+, \d+\], dimension 0 in 4 /m);

  const out = join(root, "out.safetensors");
  const inputs = ["--inputs", join(SHARDABLE, "inputs.safetensors"), "--outputs", out];
  const called = await torchsight("call", four, "encode", ...inputs, "--tensor-parallel", "2");
  t.is(called.code, 0, called.stderr);
  const expected = await tensorsOf(join(SHARDABLE, "expected.safetensors"));
  const got = await tensorsOf(out);
  await agrees(t, "pooled", got.pooler_output!, expected.pooler_output!);

  const back = join(root, "back");
  const again = await torchsight("reshard", four, "--ranks", "1", "--out", back);
  t.is(again.code, 0, again.stderr);
  t.regex(again.stdout, /^\d+ tensors, .* MB, in .*back\n {2}.*model\.safetensors\n$/);
  t.false(existsSync(join(back, MANIFEST)));
  const [before, after] = [SHARDABLE, back].map((folder) =>
    readFileSync(join(folder, "config.json"), "utf8"),
  );
  t.is(after, before);
  const [kept, made] = [
    await tensorsOf(join(SHARDABLE, "model.safetensors")),
    await tensorsOf(join(back, "model.safetensors")),
  ];
  t.deepEqual(Object.keys(made).toSorted(), Object.keys(kept).toSorted());
  for (const [name, tensor] of Object.entries(made)) {
    const [a, b] = [await tensor.data(), await kept[name]!.data()];
    t.deepEqual(Buffer.from(a.buffer), Buffer.from(b.buffer), name);
  }
});

for (const [name, code, line, words] of [
  ["no number of ranks", 2, /^USAGE: missing --ranks$/, [SHARDABLE, "--out", "x"]],
  ["no folder", 2, /^USAGE: missing --out$/, [SHARDABLE, "--ranks", "2"]],
  ["no ranks", 2, /^USAGE: /, [SHARDABLE, "--ranks", "0", "--out", "x"]],
  ["no model", 1, /^NOT_FOUND: /, ["nowhere", "--ranks", "2", "--out", "x"]],
  ["an unknown layout", 2, /^USAGE: /, [SHARDABLE, "--ranks", "2", "--layout", "y", "--out", "x"]],
] as [string, number, RegExp, string[]][]) {
  test(`fails with ${code}: ${name}`, async (t) => {
    const ran = await torchsight("reshard", ...words);
    t.is(ran.code, code, ran.stderr);
    t.regex(ran.last, line);
  });
}

test("ranks that do not divide the model: what would", async (t) => {
  const out = join(temporary(t), "out");
  const ran = await torchsight("reshard", SHARDABLE, "--ranks", "7", "--out", out);
  t.is(ran.code, 1);
  t.regex(ran.last, /^BAD_CONFIG: .*num_attention_heads.*ranks that fit: 1, 2, /);
});
