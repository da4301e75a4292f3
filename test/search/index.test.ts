/** The index of embeddings: nearest vectors, exactly; files; bad input. */
import { join } from "node:path";
import test from "ava";
import { tensor } from "../../lib/core/create.js";
import { writeTensors } from "../../lib/core/files.js";
import { EmbeddingIndex } from "../../lib/search/index.js";
import { temporary } from "../models/fixtures.js";

/** Numbers that look random and are always the same. */
function vector(seed: number, width: number): Float32Array {
  return Float32Array.from({ length: width }, (_, place) =>
    Math.sin(seed * 12.9898 + place * 78.233),
  );
}

test("finds the nearest by cosine, best first, as counting does", async (t) => {
  using index = new EmbeddingIndex();
  const width = 24;
  for (let one = 0; one < 200; one += 1) {
    const row = vector(one, width).map((value) => value * (one + 1));
    await index.add(`picture ${one}`, one % 2 ? row : tensor(row, { shape: [1, width] }));
  }
  t.is(index.size, 200);
  t.is(index.width, width);
  const query = vector(1000.5, width);
  const norm = (row: Float32Array) => Math.sqrt(row.reduce((sum, value) => sum + value ** 2, 0));
  const cosine = (row: Float32Array) =>
    row.reduce((sum, value, place) => sum + value * query[place]!, 0) / norm(row) / norm(query);
  const counted = Array.from({ length: 200 }, (_, one) => ({
    name: `picture ${one}`,
    score: cosine(vector(one, width)),
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
});

test("vectors are replaced and removed", async (t) => {
  using index = new EmbeddingIndex();
  t.deepEqual(await index.search([1, 0]), []);
  await index.add("a", [1, 0]);
  await index.add("b", [0, 1]);
  t.is((await index.search([1, 0], 1))[0]!.name, "a");
  await index.add("a", [0, -1]);
  t.deepEqual(index.names, ["a", "b"]);
  t.is((await index.search([0, -1], 1))[0]!.name, "a");
  t.true(index.remove("a"));
  t.false(index.remove("a"));
  t.false(index.has("a"));
  t.is((await index.search([0, -1], 5)).length, 1);
  index.remove("b");
  await index.add("wider", [1, 2, 3]);
  t.is(index.width, 3);
});

test("what is saved finds the same", async (t) => {
  const file = join(temporary(t), "index.safetensors");
  using index = new EmbeddingIndex();
  for (const name of ["a", "b\n", "ü"]) await index.add(name, vector(name.length, 9));
  await index.save(file);
  using again = await EmbeddingIndex.load(file);
  t.deepEqual(again.names, index.names);
  t.deepEqual(await again.search(vector(5, 9)), await index.search(vector(5, 9)));
});

test("bad input and damaged files are refused with their codes", async (t) => {
  using index = new EmbeddingIndex();
  await index.add("a", [1, 2, 3]);
  const refused = (work: () => PromiseLike<unknown>, code: string, message: RegExp) =>
    t.throwsAsync(async () => await work(), { code, message });
  await refused(() => index.add("b", [1, 2]), "BAD_INPUT", /3 numbers/);
  await refused(() => index.add("", [1, 2, 3]), "BAD_INPUT", /a text/);
  await refused(() => index.add("b", [0, 0, 0]), "BAD_INPUT", /not all of them 0/);
  await refused(() => index.add("b", [1, Number.NaN, 0]), "BAD_INPUT", /finite/);
  await refused(
    () =>
      index.add(
        "b",
        tensor([
          [1, 2, 3],
          [4, 5, 6],
        ]),
      ),
    "SHAPE",
    /one vector/,
  );
  await refused(() => index.search([1, 2]), "BAD_INPUT", /3 numbers/);
  await refused(() => index.search([1, 2, 3], 0), "BAD_INPUT", /topK/);
  await refused(() => new EmbeddingIndex().save("nowhere"), "BAD_INPUT", /at least one/);
  await refused(() => EmbeddingIndex.load("missing.safetensors"), "NOT_FOUND", /missing/);
  const file = join(temporary(t), "other.safetensors");
  const write = (metadata: Record<string, string>) =>
    writeTensors(file, { embeddings: tensor([[1, 2, 3]]) }, { metadata });
  await write({});
  await refused(() => EmbeddingIndex.load(file), "BAD_CHECKPOINT", /an index of embeddings/);
  const format = "torchsight embedding index";
  await write({ format, names: "[" });
  await refused(() => EmbeddingIndex.load(file), "BAD_CHECKPOINT", /JSON as names/);
  await write({ format, names: '["a","a"]' });
  await refused(() => EmbeddingIndex.load(file), "BAD_CHECKPOINT", /different texts/);
  await write({ format, names: '["a","b"]' });
  await refused(() => EmbeddingIndex.load(file), "BAD_CHECKPOINT", /2 rows/);
});
