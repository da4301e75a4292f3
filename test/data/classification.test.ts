/** Data of classifiers by a text, and a run of training on them. */
import { join } from "node:path";
import test from "ava";
import { type ErrorCode, TorchsightError } from "../../lib/core/errors.js";
import { createModule, load } from "../../lib/core/load.js";
import {
  type ClassificationOptions,
  classificationData,
  type DataLoader,
} from "../../lib/data/index.js";
import { COLORS, SHAPES } from "../../lib/data/shapesworld/index.js";
import { latestCheckpoint, Trainer } from "../../lib/train/index.js";
import { CONFIG, OPTIONS } from "../train/runs.js";
import { taken, temporaryFolder } from "./loading.js";
import { writePictures, writeText } from "./pictures.js";

const SMALL: ClassificationOptions = { size: [24, 32], batch: 4 };

test("Shapes World by its name: endless scenes, others held out", async (t) => {
  const options = { ...SMALL, seed: 3 };
  await using train = await classificationData("shapesworld", options);
  t.deepEqual(train.labels, [...SHAPES, ...COLORS]);
  t.is(train.samples, undefined);
  t.true(train.multiLabel);
  for await (const batch of train.loader) {
    t.deepEqual(batch.pixel_values!.shape, [4, 3, 24, 32]);
    t.deepEqual(batch.labels!.shape, [4, 19]);
    t.deepEqual([batch.pixel_values!.dtype, batch.labels!.dtype], ["float32", "float32"]);
    const pixels = (await batch.pixel_values!.data()) as Float32Array;
    t.true(pixels.every((value) => value >= -1 && value <= 1));
    t.true(pixels.some((value) => value < 0));
    const labels = (await batch.labels!.toArray()) as number[][];
    for (const row of labels) {
      const shapes = row.slice(0, SHAPES.length).reduce((a, b) => a + b);
      const colors = row.slice(SHAPES.length).reduce((a, b) => a + b);
      t.true(shapes >= 1 && shapes <= 4 && colors >= 1 && colors <= 4);
    }
    break;
  }
  const held = await classificationData("shapesworld", { ...options, split: "held" });
  t.is(held.samples, 512);
  const few = { ...options, split: "held", heldScenes: 6, batch: 4 } as const;
  const scenes = await taken((await classificationData("shapesworld", few)).loader);
  t.deepEqual(
    scenes.map(({ labels }) => labels!.length / 19),
    [4, 2],
  );
  const again = await taken((await classificationData("shapesworld", options)).loader, 1);
  t.notDeepEqual(scenes[0], again[0]);
});

test("what Shapes World is like can be told", async (t) => {
  const shapesworld = { vocabulary: { shape: ["star"] }, objects: 1, seed: 9 } as const;
  const { loader } = await classificationData("shapesworld", { ...SMALL, shapesworld });
  const [batch] = await taken(loader, 1);
  const star = SHAPES.indexOf("star");
  const firsts = [0, 1, 2, 3].map((row) => batch!.labels!.indexOf(1, 19 * row) - 19 * row);
  t.deepEqual(firsts, [star, star, star, star]);
});

/** A folder of red and blue pictures of many sizes. */
async function redAndBlue(count: number): Promise<string> {
  const folder = temporaryFolder();
  const files = Array.from({ length: count }, (_, i) => {
    const red = i % 2 === 0;
    const color = red ? ([220, 20, 20 + i] as const) : ([20, 20 + i, 220] as const);
    const size = { width: 9 + (i % 7), height: 8 + (i % 5) };
    return [`${red ? "red" : "blue"}/${i}.png`, { ...size, color }] as const;
  });
  await writePictures(folder, Object.fromEntries(files));
  return folder;
}

test("a folder by its name or its path: cropped to one size, a share held out", async (t) => {
  const folder = await redAndBlue(30);
  const options = { ...SMALL, heldShare: 0.3 };
  const train = await classificationData(folder, options);
  const held = await classificationData(`folder:${folder}`, { ...options, split: "held" });
  t.deepEqual(train.labels, ["blue", "red"]);
  t.false(train.multiLabel);
  t.is(train.samples! + held.samples!, 30);
  const batches = await taken(held.loader);
  t.is(batches.flatMap(({ labels }) => labels!).length, 2 * held.samples!);
  for (const { pixel_values, labels } of [...batches, ...(await taken(train.loader, 20))]) {
    t.is(pixel_values!.length / (3 * 24 * 32), labels!.length / 2);
    for (let row = 0; row < labels!.length / 2; row += 1) {
      const isRed = pixel_values![3 * 24 * 32 * row]! > 0;
      t.deepEqual(labels!.slice(2 * row, 2 * row + 2), isRed ? [0, 1] : [1, 0]);
    }
  }
  const indexed = await classificationData(folder, { ...options, labels: "index" });
  for await (const batch of indexed.loader) {
    t.is(batch.labels!.dtype, "int64");
    t.deepEqual(batch.labels!.shape, [4]);
    break;
  }
});

test("COCO and JSON lines by their names or endings", async (t) => {
  const folder = temporaryFolder();
  await writePictures(folder, { "pictures/a.png": {}, "pictures/b.png": {} });
  const image = (id: number, name: string) => ({ id, file_name: name });
  const coco = writeText(
    folder,
    "objects.json",
    JSON.stringify({
      images: [image(1, "a.png"), image(2, "b.png")],
      categories: [{ id: 5, name: "x" }],
      annotations: [{ id: 1, image_id: 2, category_id: 5, bbox: [0, 0, 2, 2] }],
    }),
  );
  const lines = '{"image":"pictures/a.png","label":"y"}\n{"image":"pictures/b.png","label":"z"}';
  const jsonl = writeText(folder, "objects.jsonl", lines);
  const options = { ...SMALL, batch: 1, heldShare: 0, images: join(folder, "pictures") };
  for (const [text, labels, multiLabel] of [
    [coco, ["x"], true],
    [`coco:${coco}`, ["x"], true],
    [jsonl, ["y", "z"], false],
    [`jsonl:${jsonl}`, ["y", "z"], false],
  ] as const) {
    const data = await classificationData(text, options);
    t.deepEqual([data.labels, data.multiLabel, data.samples], [labels, multiLabel, 2], text);
    t.is((await taken(data.loader, 3)).length, 3);
  }
});

test("texts that name no data, and data without labels, are refused", async (t) => {
  const folder = temporaryFolder();
  await writePictures(folder, { "a.png": {} });
  const odd = writeText(folder, "data.txt", "x");
  const refused: [string, ErrorCode, RegExp][] = [
    ["shapeworld", "NOT_FOUND", /there is no shapeworld; data can be shapesworld, folder:DIR/],
    [odd, "BAD_INPUT", /a folder, or a file of \.json,\.jsonl for the data/],
    ["folder:nowhere", "NOT_FOUND", /nowhere/],
    [folder, "BAD_INPUT", /expected labels in/],
  ];
  for (const [text, code, message] of refused) {
    const opened = classificationData(text, { ...SMALL, heldShare: 0 });
    const error = await t.throwsAsync<TorchsightError>(opened, { instanceOf: TorchsightError });
    t.is(error?.code, code);
    t.regex(error?.message ?? "", message);
  }
  const wrong = { ...SMALL, split: "test" as "held" };
  t.is(
    (await t.throwsAsync<TorchsightError>(classificationData(folder, wrong)))?.code,
    "BAD_INPUT",
  );
});

test("a run over files goes on from a checkpoint with the same losses, bit for bit", async (t) => {
  const folder = await redAndBlue(22);
  const out = join(temporaryFolder(), "run");
  const open = async (workers: number): Promise<DataLoader> => {
    const options = { size: [8, 8], batch: 4, seed: 5, heldShare: 0, workers } as const;
    return (await classificationData(folder, options)).loader;
  };
  const losses = async (trainer: Trainer, loader: DataLoader, steps: number, save?: string) => {
    const made: number[] = [];
    for await (const { loss } of trainer.fit(loader, { steps, out: save })) made.push(loss);
    return made;
  };
  const create = () => createModule({ ...CONFIG, num_labels: 2 }, { seed: 3 });
  await using whole = await create();
  using straight = new Trainer(whole, OPTIONS);
  await using loader = await open(0);
  const expected = await losses(straight, loader, 9);

  await using first = await create();
  using before = new Trainer(first, OPTIONS);
  await using begun = await open(1);
  // In the middle of the second epoch, which has 5 batches.
  const made = await losses(before, begun, 7, out);
  await using second = await load(latestCheckpoint(out)!);
  using after = new Trainer(second, OPTIONS);
  await using resumed = await open(2);
  await after.resume(out, resumed);
  t.deepEqual([...made, ...(await losses(after, resumed, 9))], expected);
});
