/** Queries made of pictures: which patch stands for what is shown, and what is found like it. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { ones, tensor } from "../../lib/core/create.js";
import { readTensors, writeTensors } from "../../lib/core/files.js";
import { ops } from "../../lib/core/ops.js";
import {
  type Detection,
  type DetectOptions,
  ImageEmbedding,
  Queries,
} from "../../lib/models/owlvit/index.js";
import { numbers, temporary } from "./fixtures.js";
import {
  iou,
  noisy,
  onePerPatch,
  PATCHES,
  type Restated,
  restated,
  rowsOf,
  sharp,
  suppressed,
  TYPES,
  WIDTH,
} from "./owlvit_models.js";

const models = { owlvit: await sharp("owlvit"), owlv2: await sharp("owlv2") };
const PICTURE = noisy(64, 48);
const OTHER = noisy(40, 70, 2);
const ALL = { threshold: 0 };

/** What is said of a patch of a made-up picture. */
interface Patch {
  /** Corners in the frame of the network. */
  box: readonly [number, number, number, number];
  /** The first numbers of its embedding; all others are 0. */
  embeds: readonly number[];
  objectness?: number;
}

/** A picture of 100 x 50 pixels, padded to a square, of which just that is known. */
function madeUp(patches: readonly Patch[], withObjectness = true): ImageEmbedding {
  const count = patches.length;
  const embeds = patches.flatMap((one) => [
    ...one.embeds,
    ...Array<number>(WIDTH - one.embeds.length).fill(0),
  ]);
  const boxes = patches.flatMap(({ box: [x0, y0, x1, y1] }) => [
    (x0 + x1) / 2,
    (y0 + y1) / 2,
    x1 - x0,
    y1 - y0,
  ]);
  const objectness = patches.map((one) => one.objectness ?? 0);
  return new ImageEmbedding(
    {
      image_embeds: ones([1, 1, count, 32]),
      class_embeds: tensor(embeds, { shape: [1, count, WIDTH] }),
      logit_shift: ops.mul(ones([1, count]), 0),
      logit_scale: ones([1, count]),
      pred_boxes: tensor(boxes, { shape: [1, count, 4] }),
      ...(withObjectness && { objectness_logits: tensor([objectness]) }),
    },
    { width: 100, height: 50 },
    { x: 100, y: 100 },
  );
}

/** The mean of all embeddings is (1.5, 0, …). */
const CROWD: readonly Patch[] = [
  { box: [0, 0, 1, 1], embeds: [-9], objectness: 7 }, // all of the network's input
  { box: [0, 0, 1, 0.5], embeds: [4, 1], objectness: 1 }, // all of the picture
  { box: [0, 0, 0.9, 0.5], embeds: [3, 2], objectness: 2 },
  { box: [0, 0, 0.85, 0.5], embeds: [5, 3], objectness: 3 },
  { box: [0, 0, 0.7, 0.5], embeds: [-8, 4], objectness: 8 }, // fits not well enough
  { box: [0.5, 0.25, 0.6, 0.4], embeds: [14, -10], objectness: 9 },
];

test("strategies, on a picture that was made up for them", async (t) => {
  const model = models.owlv2;
  using image = madeUp(CROWD);
  const patch = async (options: Parameters<typeof model.embedImageQuery>[1]) => {
    using query = await model.embedImageQuery(image, options);
    t.deepEqual(query.shape, [1, 1, WIDTH]);
    const { embeds } = CROWD[query.patch]!;
    const got = [...(await numbers(query.tensors.embeds))].slice(0, embeds.length);
    t.deepEqual(got, [...embeds], "the patch's own embedding");
    return query.patch;
  };
  t.is(await patch({}), 3, "the default is objectness");
  t.is(await patch({ strategy: "objectness" }), 3);
  t.is(await patch({ strategy: "dissimilar" }), 2);
  t.is(await patch({ strategy: "dissimilar", box: [0, 0, 68, 50] }), 4);
  t.is(await patch({ strategy: "objectness", box: [0, 0, 68, 50] }), 4);
  t.is(await patch({ box: [0, 0, 100, 100] }), 0, "what lies beyond the picture counts");
  t.is(await patch({ box: [52, 27, 60, 40] }), 5);
  t.is(await patch({ strategy: "index", index: 1 }), 1);
  t.is(await patch({ index: 4 }), 4, "an index alone is meant");
  t.is(await patch({ strategy: "objectness", index: 4 }), 3);
});

test("without objectness the least common patch is the default", async (t) => {
  const model = models.owlvit;
  using image = madeUp(CROWD, false);
  using query = await model.embedImageQuery(image, { label: "thing" });
  t.is(query.patch, 2);
  t.deepEqual([query.labels, query.kind, query.truncated], [["thing"], "example", [false]]);
  await t.throwsAsync(async () => await model.embedImageQuery(image, { strategy: "objectness" }), {
    code: "UNSUPPORTED",
  });
});

test("where no box meets the object's, those are taken that miss it the least", async (t) => {
  using image = madeUp([
    { box: [0, 0, 0.1, 0.1], embeds: [1], objectness: 9 },
    { box: [0.5, 0.4, 0.6, 0.5], embeds: [2], objectness: 1 },
    { box: [0.5, 0.41, 0.6, 0.5], embeds: [3], objectness: 2 },
  ]);
  const box = [75, 40, 85, 50];
  using query = await models.owlv2.embedImageQuery(image, { box });
  t.is(query.patch, 2);
  using other = await models.owlv2.embedImageQuery(image, { box, strategy: "dissimilar" });
  t.is(other.patch, 1);
});

/** The patch that is meant, said plainly. */
async function pickedPatch(
  image: ImageEmbedding,
  box: readonly number[],
  strategy: "dissimilar" | "objectness",
): Promise<number> {
  const { class_embeds, pred_boxes, objectness_logits } = image.tensors;
  const { x, y } = image.scale;
  const overlaps = (await rowsOf(pred_boxes)).map(([cx, cy, w, h]) =>
    iou(box, [(cx! - w! / 2) * x, (cy! - h! / 2) * y, (cx! + w! / 2) * x, (cy! + h! / 2) * y]),
  );
  const embeds = await rowsOf(class_embeds);
  const mean = embeds[0]!.map(
    (_, at) => embeds.reduce((sum, row) => sum + row[at]!, 0) / embeds.length,
  );
  const likeness = (row: number[]) => row.reduce((sum, value, at) => sum + value * mean[at]!, 0);
  const values =
    strategy === "objectness"
      ? [...(await numbers(objectness_logits!))]
      : embeds.map((row) => -likeness(row));
  const most = Math.max(...overlaps);
  const fitting = overlaps.flatMap((overlap, patch) => (overlap >= 0.8 * most ? [patch] : []));
  return fitting.reduce((best, patch) => (values[patch]! > values[best]! ? patch : best));
}

/** Every patch with its best query, as image-guided detection has it. */
async function likeExamples(
  t: ExecutionContext,
  model: (typeof models)["owlvit"],
  examples: Queries,
): Promise<{ image: ImageEmbedding; pairs: Restated[] }> {
  const image = await model.embedImage(PICTURE);
  t.teardown(() => image.dispose());
  using predictions = await model.predict(image, examples);
  return { image, pairs: onePerPatch(await restated(predictions, image.scale)) };
}

function agree(t: ExecutionContext, got: readonly Detection[], want: readonly Restated[]): void {
  t.deepEqual(
    got.map(({ patch, query }) => [patch, query]),
    want.map(({ patch, query }) => [patch, query]),
  );
  for (const [i, { box, score }] of got.entries()) {
    t.true(Math.abs(score - want[i]!.score) < 1e-5);
    t.true(box.every((side, at) => Math.abs(side - want[i]!.box[at]!) < 1e-3));
  }
}

for (const type of TYPES) {
  const model = models[type];

  test(`${type}: the patch is the one that is meant, whatever the box`, async (t) => {
    using image = await model.embedImage(OTHER);
    const boxes = [[0, 0, 40, 70]];
    for (const [x, y] of [
      [3, 5],
      [10, 20],
      [22, 41],
      [1, 60],
    ] as const) {
      boxes.push([x, y, x + 9, y + 8], [x, y, x + 18, y + 10]);
    }
    const strategies = [
      "dissimilar",
      ...(type === "owlv2" ? ["objectness" as const] : []),
    ] as const;
    const patches = new Set<number>();
    for (const box of boxes) {
      for (const strategy of strategies) {
        using query = await model.embedImageQuery(image, { box, strategy });
        t.is(query.patch, await pickedPatch(image, box, strategy));
        patches.add(query.patch);
      }
    }
    t.true(patches.size > 4);
    using whole = await model.embedImageQuery(OTHER);
    const usual = type === "owlv2" ? "objectness" : "dissimilar";
    t.is(whole.patch, await pickedPatch(image, boxes[0]!, usual), "the picture, not its padding");
  });

  test(`${type}: what looks like an example, or like one of several`, async (t) => {
    using one = await model.embedImageQuery(OTHER, { label: "one" });
    using two = await model.embedImageQuery(PICTURE, { box: [5, 5, 30, 30], label: "two" });
    using both = Queries.joined([one, two]);
    t.deepEqual(
      [both.shape, both.labels],
      [
        [1, 2, WIDTH],
        ["one", "two"],
      ],
    );
    const { image, pairs } = await likeExamples(t, model, both);
    const found = (options?: DetectOptions) => model.detectByExample(image, [one, two], options);
    const all = await found({ ...ALL, nmsIou: 1 });
    agree(t, all, pairs);
    t.is(all.length, PATCHES);
    t.deepEqual([...new Set(all.map(({ label }) => label))].sort(), ["one", "two"]);
    const distinct = suppressed(pairs, 0.3, () => true);
    t.true(distinct.length < PATCHES);
    agree(t, await found(ALL), distinct);
    agree(
      t,
      await found(),
      distinct.filter(({ score }) => score > 0.1),
    );
    agree(t, await found({ topK: 2 }), distinct.slice(0, 2));
    t.deepEqual(await found({ threshold: 1 }), []);
    t.deepEqual(await model.detect(image, both), await found(), "the kind decides");
    t.deepEqual(await model.detectByExample(PICTURE, both), await found());
    const [first] = await model.detectByExample(PICTURE, two);
    t.is(first?.query, 0);
  });

  test(`${type}: an example finds itself`, async (t) => {
    using image = await model.embedImage(PICTURE);
    using query = await model.embedImageQuery(image, { index: 20 });
    const { logits } = await model.predict(image, query);
    const { logit_shift, logit_scale } = image.tensors;
    const [all, shift, scale] = await Promise.all([logits, logit_shift, logit_scale].map(numbers));
    t.true(Math.abs(all![20]! - (1 + shift![20]!) * scale![20]!) < 1e-4, "its cosine is 1");
  });

  test(`${type}: scores as shares of the best`, async (t) => {
    using example = await model.embedImageQuery(OTHER);
    const { image, pairs } = await likeExamples(t, model, example);
    for (const threshold of [undefined, 0.4]) {
      const kept = suppressed(pairs, 0.3, () => true).filter(
        ({ score }) => score >= (threshold ?? 0),
      );
      const most = kept[0]!.score + 1e-6;
      const shares = kept
        .map((one) => ({ ...one, score: Math.min(1, (one.score - 0.1 * most) / (0.9 * most)) }))
        .filter(({ score }) => score > 0);
      const found = await model.detectByExample(image, example, {
        scoreMode: "relative",
        threshold,
      });
      agree(t, found, shares);
      t.true(found[0]!.score > 0.999);
    }
  });

  test(`${type}: several examples of one thing are averaged`, async (t) => {
    const queries = [];
    for (const index of [1, 17, 30]) {
      queries.push(await model.embedImageQuery(PICTURE, { index, label: `thing ${index}` }));
    }
    using mean = Queries.average(queries);
    t.deepEqual([mean.shape, mean.labels, mean.kind], [[1, 1, WIDTH], ["thing 1"], "example"]);
    const each = await Promise.all(queries.map(({ tensors }) => numbers(tensors.embeds)));
    const got = await numbers(mean.tensors.embeds);
    for (const [at, value] of got.entries()) {
      const sum = each.reduce((total, one) => total + one[at]!, 0);
      t.true(Math.abs(value - sum / 3) < 1e-6);
    }
    using named = Queries.average(queries, "thing");
    t.deepEqual(named.labels, ["thing"]);
    const found = await model.detectByExample(OTHER, named);
    t.true(found.length > 0 && found.every(({ label, query }) => label === "thing" && query === 0));
    for (const query of queries) query.dispose();
    t.deepEqual(await model.detectByExample(OTHER, named), found, "it stands alone");
  });

  test(`${type}: queries are saved and loaded as they are`, async (t) => {
    const file = join(temporary(t), "queries.safetensors");
    const long = "word ".repeat(40);
    using texts = await model.embedText(["a cat", long], { templates: "best7" });
    using example = await model.embedImageQuery(OTHER, { label: "thing" });
    for (const queries of [texts, example]) {
      await queries.save(file);
      using again = await Queries.load(file);
      t.deepEqual(again.shape, queries.shape);
      t.deepEqual(again.labels, queries.labels);
      t.deepEqual(again.truncated, queries.truncated);
      t.is(again.kind, queries.kind);
      t.deepEqual(await model.detect(PICTURE, again), await model.detect(PICTURE, queries));
    }
  });
}

test("queries of different kinds do not go together", async (t) => {
  const model = models.owlv2;
  using texts = await model.embedText(["a cat"]);
  using prompts = await model.embedText(["a cat"], { templates: "best7" });
  using example = await model.embedImageQuery(OTHER);
  using narrow = new Queries(ones([1, 1, 8]), ["narrow"], "example");
  for (const lists of [[texts, example], [texts, prompts], [example, narrow], [], [{}]]) {
    t.throws(() => Queries.joined(lists as Queries[]), { code: "BAD_INPUT" });
    const work = async () => await model.detectByExample(PICTURE, lists as Queries[]);
    await t.throwsAsync(work, { code: "BAD_INPUT" });
  }
  for (const lists of [[texts, example], [example, narrow], [], [null]]) {
    t.throws(() => Queries.average(lists as Queries[]), { code: "BAD_INPUT" });
  }
  using mean = Queries.average([texts, prompts]);
  t.deepEqual(mean.shape, [1, 1, WIDTH], "prompts are averaged with all else");
});

test("files that hold no queries are refused", async (t) => {
  const folder = temporary(t);
  const file = join(folder, "queries.safetensors");
  await t.throwsAsync(Queries.load(file), { code: "NOT_FOUND" });
  writeFileSync(file, "no tensors");
  await t.throwsAsync(Queries.load(file), { code: "BAD_CHECKPOINT" });
  using example = new Queries(ones([1, 2, 4]), ["a", "b"], "example");
  await example.save(file);
  const { embeds } = await readTensors(file);
  const good = { labels: ["a", "b"], kind: "example", truncated: [false, true] };
  const written = async (name: string, told: unknown) => {
    const queries = typeof told === "string" ? told : JSON.stringify(told);
    await writeTensors(file, { [name]: embeds! }, { metadata: { queries } });
  };
  await written("embeds", good);
  t.deepEqual((await Queries.load(file)).truncated, [false, true]);
  await written("other", good);
  await t.throwsAsync(Queries.load(file), { code: "BAD_CHECKPOINT" });
  for (const told of [
    "{",
    "null",
    { ...good, labels: ["a"] },
    { ...good, labels: ["a", 5] },
    { ...good, labels: "ab" },
    { ...good, truncated: [true] },
    { ...good, kind: "sound" },
  ]) {
    await written("embeds", told);
    await t.throwsAsync(Queries.load(file), { code: "BAD_CHECKPOINT" }, JSON.stringify(told));
  }
});
