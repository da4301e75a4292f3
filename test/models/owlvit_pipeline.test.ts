/** The detector as users call it: everything it finds, restated plainly. */
import { cpSync, existsSync, readdirSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { composeJob } from "../../lib/core/compose.js";
import { manualSeed, randn, tensor } from "../../lib/core/create.js";
import { readTensors, writeTensors } from "../../lib/core/files.js";
import { ops } from "../../lib/core/ops.js";
import {
  type Detection,
  type DetectOptions,
  type ImageEmbedding,
  OwlViT,
  type OwlViTConfigInput,
  Queries,
} from "../../lib/models/owlvit/index.js";
import { toPixelValues } from "../../lib/models/owlvit/processing.js";
import { adjusted, type Protocol } from "../../lib/models/owlvit/processor.js";
import { canonicalize } from "../../lib/models/owlvit/prompts.js";
import { numbers, temporary } from "./fixtures.js";
import {
  folderWith,
  iou,
  noisy,
  onePerPatch,
  PATCHES,
  planted,
  type Restated,
  restated,
  rowsOf,
  sharp,
  smallConfig,
  suppressed,
  TYPES,
  type Weights,
  WIDTH,
} from "./owlvit_models.js";

const TEXTS = ["a cat", "dog", "traffic light", "!"];
const PICTURE = noisy(64, 48);
/** Three pictures of other shapes. */
const PICTURES = [PICTURE, noisy(30, 90, 2), noisy(50, 50, 3)];
const ALL = { threshold: 0 };

/** Equal but for rounding, which differs from batch to batch. */
function near(t: ExecutionContext, got: readonly Detection[], want: readonly Detection[]): void {
  const exact = ({ query, label, patch }: Detection) => ({ query, label, patch });
  t.deepEqual(got.map(exact), want.map(exact));
  for (const [i, { box, score, objectness }] of got.entries()) {
    const other = want[i]!;
    t.true(Math.abs(score - other.score) < 1e-5);
    t.true(Math.abs((objectness ?? 0) - (other.objectness ?? 0)) < 1e-5);
    t.true(box.every((side, at) => Math.abs(side - other.box[at]!) < 1e-3));
  }
}

/** As {@link near}, with what was restated. */
function agree(t: ExecutionContext, got: readonly Detection[], want: readonly Restated[]): void {
  const pair = ({ patch, query }: Restated) => `${patch}:${query}`;
  t.deepEqual(got.map(pair), want.map(pair));
  for (const [i, { box, score }] of got.entries()) {
    t.true(Math.abs(score - want[i]!.score) < 1e-6);
    t.true(box.every((side, at) => Math.abs(side - want[i]!.box[at]!) < 1e-3));
  }
}

/** All pairs of an embedded picture and queries, the best first. */
async function pairsOf(
  model: OwlViT,
  image: ImageEmbedding,
  queries: Queries | readonly string[],
  options: DetectOptions = {},
): Promise<Restated[]> {
  using predictions = await model.predict(image, queries, options);
  return await restated(predictions, image.scale);
}

const models = { owlvit: await sharp("owlvit"), owlv2: await sharp("owlv2") };

for (const type of TYPES) {
  const model = models[type];

  test(`${type}: detect is embedImage, embedText and detect of both`, async (t) => {
    const whole = await model.detect(PICTURE, TEXTS, ALL);
    t.is(whole.length, PATCHES);
    using image = await model.embedImage(PICTURE);
    using queries = await model.embedText(TEXTS);
    t.deepEqual(await model.detect(image, queries, ALL), whole);
    t.deepEqual(await model.detect(image, TEXTS, ALL), whole);
    t.deepEqual(await model.detect(PICTURE, queries, ALL), whole);
    t.deepEqual([image.size, image.patches], [{ width: 64, height: 48 }, PATCHES]);
    t.deepEqual(queries.shape, [1, TEXTS.length, WIDTH]);
  });

  test(`${type}: each patch is found for its best query, the best first`, async (t) => {
    using image = await model.embedImage(PICTURE);
    const pairs = onePerPatch(await pairsOf(model, image, TEXTS));
    t.true(new Set(pairs.map(({ query }) => query)).size > 2, "several queries are best somewhere");
    const found = await model.detect(image, TEXTS);
    t.true(found.length > 5 && found.length < PATCHES);
    agree(
      t,
      found,
      pairs.filter(({ score }) => score > 0.1),
    );
    t.true(found.every(({ query, label }) => label === TEXTS[query]));
    t.true(found.every((one) => !("truncated" in one)));
    t.is("objectness" in found[0]!, type === "owlv2");
    agree(t, await model.detect(image, TEXTS, { topK: 4 }), pairs.slice(0, 4));
  });

  test(`${type}: scores must be above the threshold`, async (t) => {
    const found = await model.detect(PICTURE, TEXTS, ALL);
    const threshold = found[7]!.score;
    t.deepEqual(await model.detect(PICTURE, TEXTS, { threshold }), found.slice(0, 7));
    t.deepEqual(await model.detect(PICTURE, TEXTS, { threshold: 1 }), []);
    t.deepEqual(await model.detect([PICTURE], TEXTS, { threshold: 1 }), [[]]);
  });

  test(`${type}: several pictures, one list of queries`, async (t) => {
    const each: Detection[][] = [];
    for (const picture of PICTURES) each.push(await model.detect(picture, TEXTS, ALL));
    t.deepEqual(await model.detect(PICTURES, TEXTS, ALL), each);
    const together = await model.detect(PICTURES, TEXTS, { ...ALL, batchSize: 3 });
    const pairs = await model.detect(PICTURES, TEXTS, { ...ALL, batchSize: 2 });
    for (const [i, found] of each.entries()) {
      near(t, together[i]!, found);
      near(t, pairs[i]!, found);
    }
    using middle = await model.embedImage(PICTURES[1]!);
    const mixed = [PICTURES[0]!, middle, PICTURES[2]!];
    near(t, (await model.detect(mixed, TEXTS, { ...ALL, batchSize: 3 })).flat(), each.flat());
  });

  test(`${type}: each picture its own queries, none finds nothing`, async (t) => {
    using embedded = await model.embedText(["grass", "a cat"]);
    const lists = [["a cat", "dog", "sky"], [], embedded];
    const found = await model.detect(PICTURES, lists, ALL);
    t.deepEqual(found, [
      await model.detect(PICTURES[0]!, lists[0]!, ALL),
      [],
      await model.detect(PICTURES[2]!, ["grass", "a cat"], ALL),
    ]);
    const together = await model.detect(PICTURES, lists, { ...ALL, batchSize: 3 });
    for (const [i, one] of together.entries()) near(t, one, found[i]!);
    t.deepEqual(await model.detect(PICTURES, [[], [], []]), [[], [], []]);
  });

  test(`${type}: queries that are scored in parts`, async (t) => {
    using image = await model.embedImage(PICTURE);
    const labels = Array.from({ length: 2000 }, (_, query) => `thing ${query}`);
    manualSeed(1);
    using queries = new Queries(randn([200, labels.length, WIDTH]), labels, "text");
    const pairs = await pairsOf(model, image, queries);
    const found = await model.detect(image, queries, ALL);
    agree(t, found, onePerPatch(pairs));
    t.true(found.every(({ query, label }) => label === labels[query]));
    const several = await model.detect(image, queries, { ...ALL, multiLabel: true });
    agree(t, several, pairs.slice(0, 300));
    // A part has 2^22 logits: here those of 36 patches and 200 prompts of 582 queries.
    const parts = new Set(several.map(({ query }) => Math.floor(query / 582)));
    t.is(parts.size, 4);
  });

  test(`${type}: a patch may be found for several queries`, async (t) => {
    using image = await model.embedImage(PICTURE);
    const pairs = await pairsOf(model, image, TEXTS);
    const found = (options: DetectOptions) =>
      model.detect(image, TEXTS, { ...ALL, multiLabel: true, ...options });
    agree(t, await found({}), pairs);
    agree(t, await found({ topK: 50 }), pairs.slice(0, 50));
    const above = pairs.filter(({ score }) => score > 0.3);
    agree(t, await found({ threshold: 0.3 }), above);
    agree(t, await found({ threshold: 0.3, topK: 9 }), pairs.slice(0, 9));
    const many = Array.from({ length: 12 }, (_, query) => `thing ${query}`);
    agree(t, await model.detect(image, many, { ...ALL, multiLabel: true }), [
      ...(await pairsOf(model, image, many)).slice(0, 300),
    ]);
  });

  test(`${type}: boxes that overlap better ones can be left out`, async (t) => {
    using image = await model.embedImage(PICTURE);
    const pairs = onePerPatch(await pairsOf(model, image, TEXTS));
    const found = (options: DetectOptions) => model.detect(image, TEXTS, { ...ALL, ...options });
    for (const nmsIou of [0, 0.1, 0.3]) {
      const own = suppressed(pairs, nmsIou, (a, b) => a.query === b.query);
      const all = suppressed(pairs, nmsIou, () => true);
      t.true(all.length < own.length && own.length < PATCHES, `${nmsIou} matters`);
      agree(t, await found({ nmsIou }), own);
      agree(t, await found({ nmsIou, nmsAcrossQueries: true }), all);
      agree(t, await found({ nmsIou, topK: 6 }), own.slice(0, 6));
    }
    t.is((await found({ nmsIou: 1 })).length, PATCHES);
  });

  test(`${type}: several templates are averaged as logits`, async (t) => {
    const templates = ["itap of a {}.", "{}, {}!", "a {} in a video game."];
    const alone = await Promise.all(
      templates.map((template) => model.predict(PICTURE, TEXTS, { templates: [template] })),
    );
    using together = await model.predict(PICTURE, TEXTS, { templates });
    const each = await Promise.all(alone.map(({ logits }) => numbers(logits)));
    const mean = await numbers(together.logits);
    const worst = mean.reduce((most, value, i) => {
      const sum = each.reduce((total, one) => total + one[i]!, 0);
      return Math.max(most, Math.abs(value - sum / templates.length));
    }, 0);
    t.true(worst < 1e-5, `off by ${worst}`);
    using best = await model.embedText(TEXTS, { templates: "best7" });
    t.deepEqual(best.shape, [7, TEXTS.length, WIDTH]);
    t.deepEqual(best.labels, TEXTS);
    using image = await model.embedImage(PICTURE);
    const pairs = await pairsOf(model, image, TEXTS, { templates: "best7" });
    agree(t, await model.detect(image, best, ALL), onePerPatch(pairs));
    agree(t, await model.detect(image, TEXTS, { ...ALL, templates: "best7" }), onePerPatch(pairs));
  });

  test(`${type}: canonicalize changes what is asked, not what it is called`, async (t) => {
    const texts = ["A Cat!!", "Mid-size  DOG_house"];
    const plain = texts.map(canonicalize);
    t.notDeepEqual(plain, texts);
    const found = await model.detect(PICTURE, texts, { ...ALL, canonicalize: true });
    const same = await model.detect(PICTURE, plain, ALL);
    t.deepEqual(
      found,
      same.map((one) => ({ ...one, label: texts[one.query]! })),
    );
    t.notDeepEqual(await model.detect(PICTURE, texts, ALL), found);
  });

  test(`${type}: texts that are too long are cut and marked, or refused`, async (t) => {
    const long = Array.from({ length: 40 }, (_, word) => `word${word}`).join(" ");
    using queries = await model.embedText(["a cat", long]);
    t.deepEqual(queries.truncated, [false, true]);
    const found = await model.detect(PICTURE, ["a cat", long], ALL);
    const cut = found.filter(({ query }) => query === 1);
    t.true(cut.length > 0 && cut.length < PATCHES);
    t.true(cut.every(({ truncated, label }) => truncated === true && label === long));
    t.true(found.every((one) => one.query === 1 || !("truncated" in one)));
    const refused = { code: "BAD_INPUT", message: /at most 16 tokens for queries\[1\]/ };
    for (const work of [
      () => model.detect(PICTURE, ["a cat", long], { overflow: "error" }),
      () => model.embedText(["a cat", long], { overflow: "error" }),
    ]) {
      await t.throwsAsync(async () => await work(), refused);
    }
    const templates = ["{}", "a photo of the large {}."];
    using templated = await model.embedText(["cat", "w ".repeat(12)], { templates });
    t.deepEqual(templated.truncated, [false, true], "too long in one template alone");
  });

  test(`${type}: other sizes, with positions resized`, async (t) => {
    using own = await model.predict(PICTURE, TEXTS);
    using same = await model.predict(PICTURE, TEXTS, { size: 96 });
    t.deepEqual(await numbers(same.logits), await numbers(own.logits));
    const { processor, module } = model;
    const pixel_values = await composeJob({}, (steps) =>
      toPixelValues([PICTURE], processor, steps, 128),
    );
    const args = { interpolate_pos_encoding: true };
    using expected = await module.call("embed_image", { pixel_values }, { args });
    using got = await model.embedImage(PICTURE, { size: 128 });
    t.is(got.patches, 64);
    t.deepEqual(await numbers(got.tensors.pred_boxes), await numbers(expected.pred_boxes));
    t.deepEqual(await numbers(got.tensors.class_embeds), await numbers(expected.class_embeds));
    t.deepEqual(await model.detect(PICTURE, TEXTS, { ...ALL, size: 128 }), [
      ...(await model.detect(got, TEXTS, ALL)),
    ]);
  });

  test(`${type}: other sizes, with the top left of the positions`, async (t) => {
    const name = `${type}.vision_model.embeddings.position_embedding.weight`;
    const folder = temporary(t);
    cpSync(await folderWith(type), folder, { recursive: true });
    const file = join(folder, "model.safetensors");
    const weights = await readTensors(file);
    const positions = await rowsOf(weights[name]!);
    const kept = positions.filter((_, i) => i === 0 || ((i - 1) % 6 < 4 && i - 1 < 24));
    t.is(kept.length, 17);
    const table = tensor(kept.flat(), { shape: [kept.length, kept[0]!.length] });
    await writeTensors(file, { ...weights, [name]: table });
    const { vision_config } = smallConfig(type) as Required<OwlViTConfigInput>;
    await using small = await OwlViT.load(folder, {
      config: { vision_config: { ...vision_config, image_size: 64 } },
      processor: { size: { width: 64, height: 64 } },
    });
    using expected = await small.predict(PICTURE, TEXTS);
    using got = await model.predict(PICTURE, TEXTS, { size: 64, positions: "truncate" });
    t.is(got.logits.shape[0], 16);
    t.deepEqual(await numbers(got.logits), await numbers(expected.logits));
    t.deepEqual(await numbers(got.pred_boxes), await numbers(expected.pred_boxes));
    using resized = await model.predict(PICTURE, TEXTS, { size: 64 });
    t.notDeepEqual(await numbers(resized.logits), await numbers(expected.logits));
  });

  for (const protocol of ["hf", "pad", "scenic-eval"] as const) {
    for (const [width, height] of [
      [400, 300],
      [300, 400],
      [300, 300],
      [97, 31],
    ] as const) {
      test(`${type}, ${protocol}: boxes on ${width} x ${height} lie right`, async (t) => {
        const box = [0.22, 0.3, 0.64, 0.81].map((share, side) =>
          Math.round(share * (side % 2 === 0 ? width : height)),
        );
        const picture = planted(width, height, box);
        const seen = await seenAt(model, protocol, picture);
        using image = await model.embedImage(picture, { protocol });
        const { x, y } = image.scale;
        for (const [side, at] of seen.entries()) {
          const pixels = at * (side % 2 === 0 ? x : y);
          t.true(Math.abs(pixels - box[side]!) < 0.5, `${pixels} for ${box[side]}`);
        }
        const pairs = onePerPatch(await pairsOf(model, image, TEXTS));
        agree(t, await model.detect(picture, TEXTS, { ...ALL, protocol }), pairs);
      });
    }
  }

  test(`${type}: boxes can be cut at the picture's edges`, async (t) => {
    const whole = await model.detect(PICTURE, TEXTS, ALL);
    const cut = await model.detect(PICTURE, TEXTS, { ...ALL, clip: true });
    t.true(whole.some(({ box }) => box[3] > 48));
    const within = (value: number, most: number) => Math.min(Math.max(value, 0), most);
    t.deepEqual(
      cut,
      whole.map(({ box: [x0, y0, x1, y1], ...rest }) => ({
        ...rest,
        box: [within(x0, 64), within(y0, 48), within(x1, 64), within(y1, 48)],
      })),
    );
  });

  test(`${type}: predict gives everything`, async (t) => {
    using predictions = await model.predict(PICTURE, TEXTS);
    t.deepEqual(predictions.logits.shape, [PATCHES, TEXTS.length]);
    t.is(predictions.logits.dtype, "float32");
    t.deepEqual(predictions.pred_boxes.shape, [1, PATCHES, 4]);
    const { objectness_logits: objectness } = predictions;
    t.deepEqual(objectness?.shape, type === "owlv2" ? [1, PATCHES] : undefined);
    await t.throwsAsync(async () => await model.predict(PICTURE, []), { code: "BAD_INPUT" });
  });

  test(`${type}: saved and loaded again, it says bitwise the same`, async (t) => {
    const folder = join(temporary(t), "again");
    await model.save(folder);
    t.deepEqual(readdirSync(folder).sort(), [
      "config.json",
      "merges.txt",
      "model.safetensors",
      "preprocessor_config.json",
      "tokenizer_config.json",
      "vocab.json",
    ]);
    await using again = await OwlViT.load(folder);
    t.deepEqual(again.config, model.config);
    t.deepEqual(again.processor, model.processor);
    using expected = await model.predict(PICTURE, TEXTS);
    using got = await again.predict(PICTURE, TEXTS);
    t.deepEqual(await numbers(got.logits), await numbers(expected.logits));
    t.deepEqual(await numbers(got.pred_boxes), await numbers(expected.pred_boxes));
  });

  test(`${type}: what was chosen for the pictures is saved, too`, async (t) => {
    const folder = temporary(t);
    const processor = { protocol: "pad", pad_value: 0.25, resize_rule: "hf-fast" } as const;
    await using chosen = await sharp(type, { processor });
    await chosen.save(folder);
    await using again = await OwlViT.load(folder);
    t.like(again.processor, processor);
    t.deepEqual(await again.detect(PICTURE, TEXTS), await chosen.detect(PICTURE, TEXTS));
  });

  for (const [dtype, overlap] of [
    ["bfloat16", 0.8],
    ["float16", 0.98],
    ["float64", 0.9999],
  ] as const) {
    test(`${type}: in ${dtype} it finds nearly the same`, async (t) => {
      await using other = await sharp(type, { dtype });
      const byPatch = (found: readonly Detection[]) => found.toSorted((a, b) => a.patch - b.patch);
      const want = byPatch(await model.detect(PICTURE, TEXTS, ALL));
      const got = byPatch(await other.detect(PICTURE, TEXTS, ALL));
      t.deepEqual(
        got.map(({ patch }) => patch),
        want.map(({ patch }) => patch),
      );
      for (const [patch, { box, score, query }] of got.entries()) {
        t.true(iou(box, want[patch]!.box) > overlap);
        t.true(Math.abs(score - want[patch]!.score) < 0.02);
        t.true(query === want[patch]!.query || dtype !== "float64");
      }
      using predictions = await other.predict(PICTURE, TEXTS);
      t.is(predictions.logits.dtype, "float32");
    });
  }

  test(`${type}: isolated, it finds the same`, async (t) => {
    await using away = await sharp(type, { isolate: true });
    t.is(away.module.pids.length, 1);
    t.deepEqual(await away.detect(PICTURE, TEXTS, ALL), await model.detect(PICTURE, TEXTS, ALL));
    using example = await away.embedImageQuery(PICTURES[2]!);
    using same = await model.embedImageQuery(PICTURES[2]!);
    t.is(example.patch, same.patch);
    t.deepEqual(
      await away.detectByExample(PICTURE, example),
      await model.detectByExample(PICTURE, same),
    );
  });
}

// Serial, so that the clock is its own.
test.serial("ten thousand texts take about ten times as long as a thousand", async (t) => {
  const model = models.owlv2;
  const things = (kind: string, count: number) =>
    Array.from({ length: count }, (_, query) => `${kind} number ${query}`);
  const timed = async (texts: string[]) => {
    const begin = performance.now();
    const found = await model.detect(PICTURE, texts, ALL);
    return { found, took: performance.now() - begin };
  };
  const few = await timed(things("object", 1000));
  const texts = things("thing", 10_000);
  const { found, took } = await timed(texts);
  t.true(took < 40 * few.took, `${took} ms after ${few.took} ms`);
  using image = await model.embedImage(PICTURE);
  agree(t, found, onePerPatch(await pairsOf(model, image, texts)));
});

test("a model can be saved where it came from", async (t) => {
  const folder = temporary(t);
  cpSync(await folderWith("owlv2"), folder, { recursive: true });
  await using model = await OwlViT.load(folder);
  const found = await model.detect(PICTURE, TEXTS, ALL);
  await model.save(folder);
  await using again = await OwlViT.load(folder);
  t.deepEqual(await again.detect(PICTURE, TEXTS, ALL), found);
});

test("links are followed, so that what is saved stands alone", async (t) => {
  const [folder, saved] = [temporary(t), join(temporary(t), "saved")];
  const original = join(temporary(t), "original");
  cpSync(await folderWith("owlv2"), original, { recursive: true });
  for (const name of readdirSync(original)) symlinkSync(join(original, name), join(folder, name));
  {
    await using model = await OwlViT.load(folder);
    await model.save(saved);
  }
  rmSync(original, { recursive: true });
  t.false(existsSync(join(folder, "vocab.json")));
  await using again = await OwlViT.load(saved);
  t.true((await again.detect(PICTURE, TEXTS)).length > 0);
});

test("a list that is changed later does not change what is kept of it", async (t) => {
  const model = models.owlv2;
  const list = ["a fish", "a bird"];
  const found = await model.detect(PICTURE, list, ALL);
  list[0] = "a worm";
  t.deepEqual(await model.detect(PICTURE, ["a fish", "a bird"], ALL), found);
});

test("proposals: the boxes that look most like objects", async (t) => {
  const model = models.owlv2;
  using image = await model.embedImage(PICTURE);
  using predictions = await model.predict(image, TEXTS);
  const logits = ops.reshape(predictions.objectness_logits!, [PATCHES, 1]);
  const pairs = await restated({ ...predictions, logits: logits.as("float32") }, image.scale);
  const proposed = async (options: Parameters<OwlViT["propose"]>[1], want: Restated[]) => {
    const got = await model.propose(image, options);
    agree(
      t,
      got.map((one) => ({ ...one, query: 0, label: "" })),
      want,
    );
  };
  await proposed({}, pairs);
  await proposed({ topK: 5 }, pairs.slice(0, 5));
  const least = pairs[9]!.score;
  t.is((await model.propose(image, { minObjectness: Math.fround(least) - 1e-6 })).length, 10);
  await proposed(
    { nmsIou: 0.1 },
    suppressed(pairs, 0.1, () => true),
  );
  await proposed({ nmsIou: 0.1, topK: 3 }, suppressed(pairs, 0.1, () => true).slice(0, 3));
  t.true(suppressed(pairs, 0.1, () => true).length < PATCHES);
  const cut = await model.propose(PICTURE, { clip: true });
  t.true(cut.every(({ box }) => box[0] >= 0 && box[1] >= 0 && box[2] <= 64 && box[3] <= 48));
  const objectness = new Map(pairs.map(({ patch, score }) => [patch, score]));
  for (const found of await model.detect(image, TEXTS, ALL)) {
    t.true(Math.abs(found.objectness! - objectness.get(found.patch)!) < 1e-6);
  }
});

test("proposals need objectness", async (t) => {
  const model = models.owlvit;
  await t.throwsAsync(async () => await model.propose(PICTURE), { code: "UNSUPPORTED" });
});

test("known boxes: a head of zeros gives the corners of the cells", async (t) => {
  const boxes = (weights: Weights): Weights => ({
    "box_head.dense2.weight": ops.mul(weights["box_head.dense2.weight"]!, 0),
  });
  await using model = await OwlViT.load(await folderWith("owlv2", boxes));
  const [width, height] = [400, 300];
  const found = await model.detect(noisy(width, height), ["a cat"], ALL);
  t.is(found.length, PATCHES);
  for (const { patch, box } of found) {
    const [column, row] = [patch % 6, Math.floor(patch / 6)];
    // The bias is finite at the last corner, 1, which therefore is a little off.
    const at = (cell: number) => (400 * (cell + 1)) / 6;
    const [x, y] = [(box[0] + box[2]) / 2, (box[1] + box[3]) / 2];
    t.true(Math.abs(x - at(column)) < 0.05 && Math.abs(y - at(row)) < 0.05);
    t.true(
      Math.abs(box[2] - box[0] - 400 / 6) < 0.05 && Math.abs(box[3] - box[1] - 400 / 6) < 0.05,
    );
  }
});

/** Where the model sees the white rectangle of a picture: its corners of 1. */
async function seenAt(
  { processor }: OwlViT,
  protocol: Protocol,
  picture: ReturnType<typeof planted>,
): Promise<number[]> {
  const side = 960;
  const plain = { ...adjusted(processor, { protocol, padValue: 0 }), do_normalize: false };
  const pixels = await composeJob({}, (steps) => toPixelValues([picture], plain, steps, side));
  const red = ops.reshape(ops.narrow(pixels, 1, 0, 1), [side, side]);
  const edges = async (axis: number) => {
    const levels = [...(await numbers(ops.amax(red, [axis])))];
    const first = levels.findIndex((level) => level > 0.5);
    const last = levels.findLastIndex((level) => level > 0.5);
    // Between two samples the level is taken to change evenly.
    const before = (at: number, step: number) => {
      const [inner, outer] = [levels[at]!, levels[at + step] ?? 0];
      return at + 0.5 + (step * (inner - 0.5)) / (inner - outer);
    };
    return [before(first, -1) / side, before(last, 1) / side];
  };
  const [[x0, x1], [y0, y1]] = [await edges(0), await edges(1)];
  return [x0!, y0!, x1!, y1!];
}
