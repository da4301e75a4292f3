/** The index of embeddings: nearest vectors, exactly; files; bad input. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { manualSeed, randn, tensor } from "../../lib/core/create.js";
import { writeTensors } from "../../lib/core/files.js";
import { ops } from "../../lib/core/ops.js";
import { native } from "../../lib/core/runtime.js";
import { tidy } from "../../lib/core/scope.js";
import { EmbeddingIndex, type Metadata } from "../../lib/search/index.js";
import { temporary } from "../models/fixtures.js";

/** Numbers that look random and are always the same. */
function vector(seed: number, width: number): Float32Array {
  return Float32Array.from({ length: width }, (_, place) =>
    Math.sin(seed * 12.9898 + place * 78.233),
  );
}

const lengthOf = (row: Float32Array) => Math.sqrt(row.reduce((sum, value) => sum + value ** 2, 0));

const cosine = (a: Float32Array, b: Float32Array) =>
  a.reduce((sum, value, place) => sum + value * b[place]!, 0) / lengthOf(a) / lengthOf(b);

const refused = (t: ExecutionContext, work: () => unknown, code: string, message: RegExp) =>
  t.throwsAsync(async () => await work(), { code, message });

test("finds the nearest by cosine, best first, as counting does", async (t) => {
  using index = new EmbeddingIndex();
  const width = 24;
  for (let one = 0; one < 200; one += 1) {
    const row = vector(one, width).map((value) => value * (one + 1));
    await index.add(`picture ${one}`, one % 2 ? row : tensor(row, { shape: [1, width] }));
  }
  t.deepEqual([index.size, index.width], [200, width]);
  const query = vector(1000.5, width);
  const counted = Array.from({ length: 200 }, (_, one) => ({
    name: `picture ${one}`,
    score: cosine(vector(one, width), query),
  })).sort((a, b) => b.score - a.score);
  const found = await index.search(query, 7);
  t.deepEqual(
    found.map(({ name }) => name),
    counted.slice(0, 7).map(({ name }) => name),
  );
  for (const [rank, { score }] of found.entries()) {
    t.true(Math.abs(score - counted[rank]!.score) < 1e-5);
  }
  t.is((await index.search(query, 1000)).length, 200);
  t.is((await index.search(query)).length, 10);
});

test("vectors are added once, put in place of others, and removed", async (t) => {
  using index = new EmbeddingIndex();
  t.deepEqual(await index.search([1, 0]), []);
  await index.add("a", [1, 0], { file: "a.png" });
  await index.add("b", [0, 1]);
  await index.set("c", [3, 3], { size: [1, 2] });
  await refused(t, () => index.add("a", [1, 1]), "BAD_INPUT", /does not have for the name .*"a"/);
  t.deepEqual(await index.search([1, 0], 1), [
    { name: "a", score: 1, metadata: { file: "a.png" } },
  ]);
  await index.set("a", [0, -1]);
  t.deepEqual(index.names, ["a", "b", "c"]);
  t.deepEqual(await index.search([0, -1], 1), [{ name: "a", score: 1 }]);
  t.true(index.remove("a"));
  t.false(index.remove("a"));
  t.false(index.has("a"));
  t.deepEqual(index.names, ["b", "c"]);
  t.deepEqual([index.metadata("b"), index.metadata("c")], [undefined, { size: [1, 2] }]);
  t.is((await index.search([1, 1], 5))[0]!.name, "c");
  await index.add("a", [0, -1]);
  t.is((await index.search([0, -1], 1))[0]!.name, "a");
  for (const name of ["a", "b", "c"]) index.remove(name);
  t.is(index.width, undefined);
  await index.add("wider", [1, 2, 3]);
  t.is(index.width, 3);
});

test("many at once are what they are one by one, or none", async (t) => {
  const names = Array.from({ length: 150 }, (_, one) => `${one}`);
  const rows = names.map((_, one) => vector(one, 8));
  const told = names.map((_, one) => (one % 2 ? { one } : undefined));
  using single = new EmbeddingIndex();
  for (const [one, name] of names.entries()) await single.add(name, rows[one]!, told[one]);
  using listed = new EmbeddingIndex();
  await listed.addAll(names, rows, told);
  using stacked = new EmbeddingIndex();
  await stacked.addAll(names, tensor(rows.map((row) => [...row])).to("float64"), told);
  const found = await single.search(vector(7.25, 8), 20);
  t.deepEqual(await listed.search(vector(7.25, 8), 20), found);
  t.deepEqual(await stacked.search(vector(7.25, 8), 20), found);
  await listed.addAll([], []);
  await listed.addAll([], tensor([]).reshape([0, 8]));
  const all = (given: string[], vectors: number[][], metadata?: Metadata[]) => () =>
    listed.addAll(given, vectors, metadata);
  const eight = [1, 2, 3, 4, 5, 6, 7, 8];
  await refused(t, all(["x", "x"], [eight, eight]), "BAD_INPUT", /the name/);
  await refused(t, all(["x", "3"], [eight, eight]), "BAD_INPUT", /the name .*"3"/);
  await refused(t, all(["x", "y"], [eight, [1]]), "BAD_INPUT", /8 numbers for .* y/);
  await refused(t, all(["x"], [[1]]), "BAD_INPUT", /8 numbers for .* x/);
  await refused(t, all(["x", "y"], [eight]), "BAD_INPUT", /each of 2 names/);
  await refused(t, all(["x", "y"], [eight, eight], [{}]), "BAD_INPUT", /for 2 names/);
  const two = tensor([eight, eight]);
  await refused(t, () => listed.addAll(["x"], two), "SHAPE", /\[1, E\] .* \[2, 8\]/);
  t.is(listed.size, 150);
});

test("10,000 vectors of 768 numbers: nothing is missed", async (t) => {
  using index = new EmbeddingIndex();
  manualSeed(3);
  using rows = randn([10_000, 768]);
  await index.addAll(
    Array.from({ length: 10_000 }, (_, one) => `${one}`),
    rows,
  );
  for (const wanted of [0, 4999, 9999]) {
    using near = tidy(() => ops.add(ops.select(rows, 0, wanted), randn([768]).mul(0.5)));
    const [best, next] = await index.search(near, 2);
    t.is(best!.name, `${wanted}`);
    t.true(best!.score > 0.8 && next!.score < 0.3);
  }
});

test.serial(
  "a search leaves nothing behind and works again after the scope of the first",
  async (t) => {
    using index = new EmbeddingIndex();
    await index.add("a", [1, 0]);
    const before = native().tensorCounters().tensors;
    await tidy(async () => await index.search([1, 0]));
    t.is((await index.search([1, 0])).length, 1);
    t.is(native().tensorCounters().tensors, before + 1);
    index.dispose();
    t.is(native().tensorCounters().tensors, before);
    t.is((await index.search([1, 0])).length, 1);
  },
);

test("what changes meanwhile does not count; a search can be cancelled", async (t) => {
  using index = new EmbeddingIndex();
  await index.addAll(["a", "b"], [vector(1, 9), vector(2, 9)]);
  const wanted = await index.search(vector(3, 9));
  const searching = Promise.all(Array.from({ length: 20 }, () => index.search(vector(3, 9))));
  await new Promise(setImmediate);
  index.remove("a");
  for (const found of await searching) {
    t.deepEqual(
      found,
      wanted.filter(({ name }) => found.length === 2 || name === "b"),
    );
  }
  t.deepEqual((await index.search(vector(3, 9))).length, 1);
  const cancelled = index.search(vector(3, 9));
  cancelled.cancel();
  await refused(t, () => cancelled, "CANCELLED", /cancelled/);
});

test("what is saved finds the same", async (t) => {
  const file = join(temporary(t), "index.safetensors");
  using index = new EmbeddingIndex();
  const names = ["a", "b\n", "ü", "__proto__"];
  for (const [one, name] of names.entries()) {
    await index.add(name, vector(one, 9), one === 2 ? { tags: ["x"], from: null } : undefined);
  }
  await index.save(file);
  using again = await EmbeddingIndex.load(file);
  t.deepEqual(again.names, names);
  t.deepEqual(again.metadata("ü"), { tags: ["x"], from: null });
  t.deepEqual(await again.search(vector(5, 9)), await index.search(vector(5, 9)));
  await again.add("more", vector(5, 9));
  t.is((await again.search(vector(5, 9), 1))[0]!.name, "more");
});

test("metadata is a copy, of what JSON can say", async (t) => {
  using index = new EmbeddingIndex();
  const told = { tags: ["x"] };
  await index.add("a", [1], told);
  told.tags.push("y");
  t.deepEqual(index.metadata("a"), { tags: ["x"] });
  const cycle: Record<string, unknown> = {};
  cycle.cycle = cycle;
  for (const metadata of [cycle, [1], "text", null, { big: 1n }] as Metadata[]) {
    await refused(t, () => index.add("b", [1], metadata), "BAD_INPUT", /JSON can say/);
  }
  t.is(index.size, 1);
});

test("bad input is refused with its code", async (t) => {
  using index = new EmbeddingIndex();
  await index.add("a", [1, 2, 3]);
  const add =
    (embedding: unknown, name = "b") =>
    () =>
      index.add(name, embedding as number[]);
  await refused(t, add([1, 2]), "BAD_INPUT", /expected 3 numbers for the embedding of b/);
  await refused(t, add([1, 2, 3], ""), "BAD_INPUT", /a text/);
  await refused(t, add([0, 0, 0]), "BAD_INPUT", /not all of them 0/);
  await refused(t, add([1, Number.NaN, 0]), "BAD_INPUT", /finite/);
  await refused(t, add([1, Number.POSITIVE_INFINITY, 0]), "BAD_INPUT", /finite/);
  await refused(t, add([]), "BAD_INPUT", /finite/);
  for (const nothing of [undefined, null, 3, "123", new DataView(new ArrayBuffer(3))]) {
    await refused(t, add(nothing), "BAD_INPUT", /numbers or a tensor for the embedding of b/);
  }
  const two = tensor([
    [1, 2, 3],
    [4, 5, 6],
  ]);
  await refused(t, () => index.add("b", two), "SHAPE", /one vector for the embedding of b/);
  await refused(t, () => index.set("a", [1]), "BAD_INPUT", /3 numbers/);
  await refused(t, () => index.search([1, 2]), "BAD_INPUT", /3 numbers for the query/);
  await refused(t, () => index.search(two), "SHAPE", /one vector for the query/);
  await refused(t, () => index.search([1, 2, 3], 0), "BAD_INPUT", /topK/);
  await refused(t, () => new EmbeddingIndex().save("nowhere"), "BAD_INPUT", /at least one/);
  await refused(t, () => EmbeddingIndex.load("missing.safetensors"), "NOT_FOUND", /missing/);
  t.deepEqual(index.names, ["a"]);
  t.is((await index.search([1, 2, 3])).length, 1);
});

test("damaged files are refused", async (t) => {
  const file = join(temporary(t), "other.safetensors");
  const entries = (...names: unknown[]) => JSON.stringify(names.map((name) => ({ name })));
  const format = "torchsight embedding index";
  const cases: [metadata: Record<string, string>, rows: number[][], message: RegExp][] = [
    [{}, [[1, 0]], /an index of embeddings/],
    [{ format }, [[1, 0]], /JSON as entries/],
    [{ format, entries: "[" }, [[1, 0]], /JSON as entries/],
    [{ format, entries: "{}" }, [[1, 0]], /at least one entry/],
    [{ format, entries: "[]" }, [[1, 0]], /at least one entry/],
    [{ format, entries: entries(7) }, [[1, 0]], /at least one entry/],
    [{ format, entries: '[{"name":"a","metadata":3}]' }, [[1, 0]], /at least one entry/],
    [{ format, entries: entries("a", "a") }, [[1, 0]], /different names/],
    [{ format, entries: entries("a", "b") }, [[1, 0]], /float32 \[2, E\] as embeddings/],
    [{ format, entries: entries("a") }, [[1, 1]], /unit length, as that of a, in .*other/],
    [{ format, entries: entries("a") }, [[Number.NaN, 1]], /unit length/],
  ];
  for (const [metadata, rows, message] of cases) {
    await writeTensors(file, { embeddings: tensor(rows) }, { metadata });
    await refused(t, () => EmbeddingIndex.load(file), "BAD_CHECKPOINT", message);
  }
  const metadata = { format, entries: entries("a") };
  await writeTensors(file, { embeddings: tensor([[1, 0]]).to("float64") }, { metadata });
  await refused(t, () => EmbeddingIndex.load(file), "BAD_CHECKPOINT", /float32/);
  await writeTensors(file, { other: tensor([[1, 0]]) }, { metadata });
  await refused(t, () => EmbeddingIndex.load(file), "BAD_CHECKPOINT", /as embeddings/);
  await writeTensors(file, { embeddings: tensor([[1, 0]]) }, { metadata });
  writeFileSync(file, readFileSync(file).subarray(0, -2));
  await refused(t, () => EmbeddingIndex.load(file), "BAD_CHECKPOINT", /other/);
});
