/** Export of detections, files, and what is refused. */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "ava";
import { TorchsightError } from "../../lib/core/errors.js";
import {
  type CocoDataset,
  type CocoResult,
  type EvaluationOptions,
  evaluateCoco,
  evaluateLvis,
  type ImageDetections,
  type LvisDataset,
  MAX_DETECTIONS,
  readCocoDataset,
  readCocoResults,
  readLvisDataset,
  toCocoResults,
  writeCocoResults,
} from "../../lib/eval/index.js";

const picture = (
  detections: ImageDetections["detections"],
  more: Partial<ImageDetections> = {},
): ImageDetections => ({ imageId: 7, width: 100, height: 50, detections, ...more });

const toCoco = (image: ImageDetections, maxDetections = 100): CocoResult[] =>
  toCocoResults([image], { categoryIds: [18, 3, null], maxDetections });

test("boxes become x, y, width, height, clipped to the picture", (t) => {
  const results = toCoco(
    picture([
      { box: [10, 20, 30, 45], score: 0.9, query: 0 },
      { box: [-5, -5, 200, 10], score: 0.8, query: 1 },
      { box: [120, 60, 130, 70], score: 0.7, query: 1 },
    ]),
  );
  t.deepEqual(results, [
    { image_id: 7, category_id: 18, bbox: [10, 20, 20, 25], score: 0.9 },
    { image_id: 7, category_id: 3, bbox: [0, 0, 100, 10], score: 0.8 },
    { image_id: 7, category_id: 3, bbox: [100, 50, 0, 0], score: 0.7 },
  ]);
});

test("the best detections of each picture are kept, those of unmapped queries not counted", (t) => {
  const box = [0, 0, 10, 10] as const;
  const detections = [0.2, 0.5, 0.4, 0.5].map((score, index) => ({
    box,
    score,
    query: index === 1 ? 1 : 0,
  }));
  detections.push({ box, score: 0.9, query: 2 });
  const kept = toCocoResults([picture(detections), picture(detections, { imageId: 8 })], {
    categoryIds: [18, 3, null],
    maxDetections: 3,
  });
  t.deepEqual(
    kept.map(({ image_id, category_id, score }) => [image_id, category_id, score]),
    [7, 8].flatMap((image) => [
      [image, 3, 0.5],
      [image, 18, 0.5],
      [image, 18, 0.4],
    ]),
  );
  t.deepEqual(MAX_DETECTIONS, { coco: 100, lvis: 300 });
});

const ONE = { box: [0, 0, 1, 1], score: 0.5, query: 0 };
for (const [name, image, message] of [
  ["a query without a category", picture([{ ...ONE, query: 3 }]), /index into 3 .* query .* 3 of/],
  ["a score that is none", picture([{ ...ONE, score: Number.NaN }]), /a number for score .* NaN/],
  ["a box inside out", picture([{ ...ONE, box: [5, 0, 1, 1] }]), /x0 <= x1 .* \[5,0,1,1\]/],
  ["a box of three", picture([{ ...ONE, box: [5, 0, 6] }]), /for box but received \[5,0,6\]/],
  ["a picture without width", picture([ONE], { width: 0 }), /pixels for width of image 7 .* 0 of/],
  ["a picture's name as id", picture([], { imageId: "a" as unknown as number }), /for imageId/],
] as const) {
  test(`export refuses ${name}`, (t) => {
    t.throws(() => toCoco(image), { instanceOf: TorchsightError, code: "BAD_INPUT", message });
  });
}

test("export refuses to keep no detections", (t) => {
  t.throws(() => toCoco(picture([ONE]), 0), {
    code: "BAD_INPUT",
    message: /for maxDetections .* 0/,
  });
});

const DATASET: CocoDataset = {
  images: [{ id: 1, width: 100, height: 50, file_name: "1.jpg" }],
  categories: [{ id: 18, name: "dog" }],
  annotations: [{ id: 5, image_id: 1, category_id: 18, bbox: [1, 2, 3, 4], area: 12, iscrowd: 0 }],
};
const LVIS: LvisDataset = {
  images: [{ id: 1, neg_category_ids: [], not_exhaustive_category_ids: [] }],
  categories: [{ id: 18, name: "dog", frequency: "c" }],
  annotations: DATASET.annotations,
};
const RESULT: CocoResult = { image_id: 1, category_id: 18, bbox: [1, 2, 3, 4], score: 0.25 };

const [ANNOTATION] = DATASET.annotations;
const annotated = (more: object): object => ({
  ...DATASET,
  annotations: [{ ...ANNOTATION, ...more }],
});

for (const [name, dataset, message] of [
  ["a list", [], /a list for images of the ground truth/],
  ["null", null, /an object with images, .* for the ground truth but received null/],
  ["no images", { ...DATASET, images: undefined }, /a list for images .* undefined/],
  ["an image that is none", { ...DATASET, images: [3] }, /an object for images\[0\] .* 3 of/],
  ["ids of text", { ...DATASET, images: [{ id: "1" }] }, /an integer for images\[0\]\.id .* "1"/],
  [
    "one id twice",
    { ...DATASET, images: [{ id: 1 }, { id: 1 }] },
    /of its own for images\[1\]\.id/,
  ],
  ["no name", { ...DATASET, categories: [{ id: 18 }] }, /a name for categories\[0\]\.name/],
  ["an unknown image", annotated({ image_id: 2 }), /one of the images for annotations\[0\]\.image/],
  ["an unknown category", annotated({ category_id: 2 }), /one of the categories .* received 2/],
  ["half a box", annotated({ bbox: [1, 2] }), /\[x, y, width, height\] .* \[1,2\] of type Array/],
  ["a box of null", annotated({ bbox: [1, 2, null, 4] }), /\[x, y, width, height\]/],
  ["a negative width", annotated({ bbox: [1, 2, -1, 4] }), /\[x, y, width, height\]/],
  ["a negative area", annotated({ area: -1 }), /for annotations\[0\]\.area .* -1/],
  ["a crowd of two", annotated({ iscrowd: 2 }), /0 or 1 for annotations\[0\]\.iscrowd .* 2/],
] as const) {
  test(`COCO annotations: ${name} is refused`, (t) => {
    const evaluate = () => evaluateCoco(dataset as unknown as CocoDataset, []);
    t.throws(evaluate, { instanceOf: TorchsightError, code: "BAD_INPUT", message });
  });
}

test("LVIS annotations: what COCO's lack is refused", (t) => {
  const refused = (dataset: object, message: RegExp): void => {
    const evaluate = () => evaluateLvis(dataset as LvisDataset, []);
    t.throws(evaluate, { code: "BAD_INPUT", message });
  };
  refused(DATASET, /a list of ids for images\[0\]\.neg_category_ids/);
  const images = [{ id: 1, neg_category_ids: [], not_exhaustive_category_ids: [0.5] }];
  refused({ ...LVIS, images }, /for images\[0\]\.not_exhaustive_category_ids .* \[0.5\]/);
  const categories = [{ id: 18, name: "dog", frequency: "often" }];
  refused({ ...LVIS, categories }, /r, c or f for categories\[0\]\.frequency .* "often"/);
});

for (const [name, more, message] of [
  ["an unknown image", { image_id: 2 }, /an image of the ground truth for entries\[0\]\.image_id/],
  ["an unknown category", { category_id: 0 }, /a category of the ground truth .* received 0 of/],
  ["no score", { score: undefined }, /a number for entries\[0\]\.score of the results/],
  ["no box", { bbox: undefined }, /for entries\[0\]\.bbox of the results but received undefined/],
] as const) {
  test(`results: ${name} is refused by both measures`, (t) => {
    const results = [{ ...RESULT, ...more } as CocoResult];
    t.throws(() => evaluateCoco(DATASET, results), { code: "BAD_INPUT", message });
    t.throws(() => evaluateLvis(LVIS, results), { code: "BAD_INPUT", message });
  });
}

test("a choice of unknown pictures or categories is refused", (t) => {
  const evaluate = (options: EvaluationOptions) => () => evaluateCoco(DATASET, [RESULT], options);
  t.throws(evaluate({ imageIds: [1, 9] }), {
    message: /ids of the ground truth for imageIds .* 9/,
  });
  t.throws(evaluate({ categoryIds: [2] }), { message: /for categoryIds but received 2/ });
  t.is(evaluate({ imageIds: [1], categoryIds: [18] })().AP, 1);
  t.is(evaluate({ imageIds: [] })().AP, -1);
});

async function inFolder(run: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "torchsight-eval-"));
  try {
    await run(folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}

test("what is written is read again, and is JSON, also without results", async (t) => {
  await inFolder(async (folder) => {
    const path = join(folder, "results.json");
    for (const results of [[RESULT, { ...RESULT, score: 0.125 }], []]) {
      await writeCocoResults(path, results);
      t.deepEqual(await readCocoResults(path), results);
      t.deepEqual(JSON.parse(await readFile(path, "utf8")), results);
    }
    await writeFile(path, JSON.stringify(LVIS));
    t.deepEqual(await readLvisDataset(path), LVIS);
    t.deepEqual(await readCocoDataset(path), LVIS);
  });
});

test("errors of reading name the file", async (t) => {
  await inFolder(async (folder) => {
    const path = join(folder, "coco.json");
    await t.throwsAsync(readCocoDataset(path), { code: "NOT_FOUND", message: /coco\.json/ });
    await writeFile(path, "{");
    await t.throwsAsync(readCocoDataset(path), {
      code: "BAD_INPUT",
      message: /a JSON file for .*coco\.json/,
    });
    await writeFile(path, JSON.stringify(DATASET));
    await t.throwsAsync(readLvisDataset(path), { message: /neg_category_ids of .*coco\.json/ });
    await t.throwsAsync(readCocoResults(path), { message: /a list for entries of .*coco\.json/ });
    await t.throwsAsync(readCocoDataset(folder), { code: "BAD_INPUT" });
    const message = /a file that can be written for .*torchsight-eval/;
    await t.throwsAsync(writeCocoResults(folder, []), { code: "BAD_INPUT", message });
  });
});
