/** Data sets of files: folders, COCO's JSON, JSON lines, and what is wrong with them. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { TorchsightError } from "../../lib/core/errors.js";
import { type DatasetSource, openDataset, type Sample } from "../../lib/data/index.js";
import { splitter } from "../../lib/data/split.js";
import { temporaryFolder } from "./loading.js";
import { writePictures, writeText } from "./pictures.js";

/** All samples, with names relative to a folder. */
async function samplesOf(source: DatasetSource, folder: string) {
  const dataset = await openDataset(source);
  const { labels } = dataset;
  const samples: Sample[] = [];
  for (let index = 0; index < dataset.length; index += 1) samples.push(await dataset.sample(index));
  return {
    labels,
    samples: samples.map((one) => ({ ...one, name: one.name.slice(folder.length) })),
  };
}

/** The code with which a data set is refused. */
async function refused(t: ExecutionContext, source: DatasetSource, message: RegExp) {
  const error = await t.throwsAsync<TorchsightError>(openDataset(source), {
    instanceOf: TorchsightError,
  });
  t.regex(error?.message ?? "", message);
  return error?.code;
}

test("folders are classes, in the order of their names; what is in them is theirs", async (t) => {
  const folder = temporaryFolder();
  await writePictures(folder, {
    "dog/2.png": {},
    "dog/10.jpg": {},
    "cat/deep/er/1.webp": {},
    "Zebra/z.png": {},
    ".hidden/no.png": {},
  });
  writeText(folder, "dog/notes.txt", "no picture");
  writeText(folder, "dog/clip.mp4", "not looked at");
  writeText(folder, "readme.md", "no picture");
  const { labels, samples } = await samplesOf({ kind: "folder", folder }, folder);
  t.deepEqual(labels, ["Zebra", "cat", "dog"]);
  t.deepEqual(
    samples.map(({ name, labels: own }) => [name, own]),
    [
      ["/Zebra/z.png", [0]],
      ["/cat/deep/er/1.webp", [1]],
      ["/dog/10.jpg", [2]],
      ["/dog/2.png", [2]],
      ["/dog/clip.mp4", [2]],
    ],
  );
  t.deepEqual(samples[0]!.images, [join(folder, "Zebra/z.png")]);
  t.is(samples[4]!.video, join(folder, "dog/clip.mp4"));
});

test("a folder of pictures has no labels", async (t) => {
  const folder = temporaryFolder();
  await writePictures(folder, { "b.png": {}, "a.jpg": {} });
  const { labels, samples } = await samplesOf({ kind: "folder", folder }, folder);
  t.is(labels, undefined);
  t.deepEqual(
    samples.map(({ name, labels: own }) => [name, own]),
    [
      ["/a.jpg", undefined],
      ["/b.png", undefined],
    ],
  );
});

test("folders that are no data sets are refused", async (t) => {
  const folder = temporaryFolder();
  t.is(
    await refused(t, { kind: "folder", folder }, /pictures or videos in the folder/),
    "BAD_INPUT",
  );
  await writePictures(folder, { "a/1.png": {} });
  mkdirSync(join(folder, "b"));
  const empty = /expected pictures or videos of a class in .*b$/;
  t.is(await refused(t, { kind: "folder", folder }, empty), "BAD_INPUT");
  await writePictures(folder, { "b/1.png": {}, "loose.png": {} });
  t.is(await refused(t, { kind: "folder", folder }, /not both/), "BAD_INPUT");
  const file = join(folder, "loose.png");
  t.is(await refused(t, { kind: "folder", folder: file }, /a folder of pictures/), "BAD_INPUT");
  t.is(await refused(t, { kind: "folder", folder: join(folder, "c") }, /there is no/), "NOT_FOUND");
});

test("a part that is held out and the rest are disjoint, complete, and stay so", async (t) => {
  const folder = temporaryFolder();
  const names = Array.from({ length: 60 }, (_, i) => `${i % 2 ? "odd" : "even"}/${i}.png`);
  await writePictures(folder, Object.fromEntries(names.map((name) => [name, { width: 1 }])));
  const part = async (split: "train" | "held", splitSeed = 0) => {
    const source = { kind: "folder", folder, split, heldShare: 0.3, splitSeed } as const;
    const { labels, samples } = await samplesOf(source, folder);
    t.deepEqual(labels, ["even", "odd"]);
    return samples.map(({ name }) => name);
  };
  const [train, held] = [await part("train"), await part("held")];
  t.deepEqual([...train, ...held].sort(), names.map((name) => `/${name}`).sort());
  t.true(held.length > 8 && held.length < 28, `${held.length}`);
  t.notDeepEqual(await part("held", 1), held);
  await writePictures(folder, { "odd/new.png": {} });
  const later = await part("held");
  t.deepEqual(
    later.filter((name) => name !== "/odd/new.png"),
    held,
  );
  const share = splitter({ split: "held", heldShare: 0.1 });
  const count = Array.from({ length: 10_000 }, (_, i) => share(`${i}`)).filter(Boolean).length;
  t.true(Math.abs(count - 1000) < 110, `${count}`);
});

const INSTANCES = {
  images: [
    { id: 7, file_name: "a.png", width: 12, height: 8 },
    { id: 3, file_name: "sub/b.png" },
    { id: 4, file_name: "c.png" },
  ],
  categories: [
    { id: 90, name: "kite" },
    { id: 2, name: "dog" },
  ],
  annotations: [
    { id: 1, image_id: 7, category_id: 90, bbox: [1, 2, 3, 4] },
    { id: 2, image_id: 7, category_id: 2, bbox: [0, 0, 5, 5] },
    { id: 3, image_id: 7, category_id: 90, bbox: [5, 0, 5, 5] },
    { id: 4, image_id: 3, category_id: 2, bbox: [0, 0, 9, 9], iscrowd: 1 },
  ],
};

test("COCO's instances give labels of pictures and boxes of objects", async (t) => {
  const folder = temporaryFolder();
  const file = writeText(folder, "instances.json", JSON.stringify(INSTANCES));
  const { labels, samples } = await samplesOf({ kind: "coco", file }, folder);
  t.deepEqual(labels, ["dog", "kite"]);
  t.deepEqual(samples, [
    {
      name: "/a.png",
      images: [join(folder, "a.png")],
      labels: [0, 1],
      boxes: [
        [1, 2, 4, 6],
        [0, 0, 5, 5],
        [5, 0, 10, 5],
      ],
      boxLabels: [1, 0, 1],
    },
    // A crowd tells that there are dogs, not where one is.
    {
      name: "/sub/b.png",
      images: [join(folder, "sub/b.png")],
      labels: [0],
      boxes: [],
      boxLabels: [],
    },
    { name: "/c.png", images: [join(folder, "c.png")], labels: [], boxes: [], boxLabels: [] },
  ]);
  const elsewhere = await samplesOf({ kind: "coco", file, images: "/pictures" }, "/pictures");
  t.is(elsewhere.samples[1]!.name, "/sub/b.png");
});

test("COCO's captions give captions", async (t) => {
  const folder = temporaryFolder();
  const captions = {
    images: INSTANCES.images,
    annotations: [
      { id: 1, image_id: 3, caption: "a dog" },
      { id: 2, image_id: 7, caption: "a kite" },
      { id: 3, image_id: 3, caption: "dogs" },
    ],
  };
  const file = writeText(folder, "captions.json", JSON.stringify(captions));
  const { labels, samples } = await samplesOf({ kind: "coco", file }, folder);
  t.is(labels, undefined);
  t.deepEqual(
    samples.map(({ captions: own }) => own),
    [["a kite"], ["a dog", "dogs"], []],
  );
});

test("malformed COCO is refused, with row and field", async (t) => {
  const folder = temporaryFolder();
  const image = { id: 1, file_name: "a.png" };
  const wrong: [unknown, RegExp][] = [
    ["{", /expected a JSON file for .*x\.json/],
    [[1], /a list for images of/],
    [{}, /a list for images of/],
    [{ ...INSTANCES, images: 3 }, /a list for images of/],
    [{ ...INSTANCES, images: [{ id: 7 }, { id: 3 }] }, /images\[0\]\.file_name of .* undefined/],
    [{ ...INSTANCES, images: [] }, /annotations\[0\]\.image_id/],
    [{ ...INSTANCES, categories: [{ id: 2 }] }, /categories\[0\]\.name/],
    [{ images: [], annotations: [] }, /at least one for images/],
    [{ images: [image, image], annotations: [] }, /id of its own for images\[1\]\.id/],
    [{ images: [image], annotations: [{ image_id: 2 }] }, /annotations\[0\]\.image_id of/],
    [{ images: [image], annotations: [{ image_id: 1 }] }, /a text for annotations\[0\]\.caption/],
    [{ images: [image], annotations: [null] }, /annotations\[0\]\.image_id of/],
    [{ images: 3, annotations: [] }, /a list for images/],
  ];
  for (const [value, message] of wrong) {
    const text = typeof value === "string" ? value : JSON.stringify(value);
    const file = writeText(folder, "x.json", text);
    t.is(await refused(t, { kind: "coco", file }, message), "BAD_INPUT", text);
  }
  const file = join(folder, "none.json");
  t.is(await refused(t, { kind: "coco", file }, /there is no file/), "NOT_FOUND");
});

test("JSON lines give pictures and videos with captions, labels and objects", async (t) => {
  const folder = temporaryFolder();
  const file = writeText(
    folder,
    "data.jsonl",
    [
      { image: "a.png", caption: "a dog", id: 3 },
      { image: "sub/b.png", captions: ["two", "cats"], labels: ["cat", "animal", "cat"] },
      { video: "c.mp4", label: "dog" },
      { image: "/else/d.png", objects: [{ box: [1, 2, 3, 4], label: "dog" }], labels: ["animal"] },
      { image: "e.png" },
    ]
      .map((line) => JSON.stringify(line))
      .join("\n\n")
      .concat("\r\n"),
  );
  const { labels, samples } = await samplesOf({ kind: "jsonl", file }, "");
  t.deepEqual(labels, ["animal", "cat", "dog"]);
  const at = (name: string) => join(folder, name);
  t.deepEqual(samples, [
    { name: at("a.png"), images: [at("a.png")], captions: ["a dog"] },
    {
      name: at("sub/b.png"),
      images: [at("sub/b.png")],
      captions: ["two", "cats"],
      labels: [0, 1],
    },
    { name: at("c.mp4"), video: at("c.mp4"), labels: [2] },
    {
      name: "/else/d.png",
      images: ["/else/d.png"],
      labels: [0, 2],
      boxes: [[1, 2, 3, 4]],
      boxLabels: [2],
    },
    { name: at("e.png"), images: [at("e.png")] },
  ]);
});

test("labels that are numbers stay what they are", async (t) => {
  const folder = temporaryFolder();
  const lines = '{"image":"a.png","label":3}\n{"image":"b.png","labels":[0]}\n';
  const file = writeText(folder, "data.jsonl", lines);
  const { labels, samples } = await samplesOf({ kind: "jsonl", file }, folder);
  t.deepEqual(labels, ["0", "1", "2", "3"]);
  t.deepEqual(
    samples.map(({ labels: own }) => own),
    [[3], [0]],
  );
});

test("malformed JSON lines are refused, with the number of the line", async (t) => {
  const folder = temporaryFolder();
  const good = '{"image": "a.png", "label": "x"}';
  const wrong: [string, RegExp][] = [
    ['{"image": "a.png"', /expected a JSON object in line 3 of .*x\.jsonl: /],
    ["[1]", /a JSON object for line 3 of/],
    ["null", /a JSON object for line 3 of/],
    ["{}", /one path for image or video in line 3/],
    ['{"image": ""}', /one path for image or video in line 3/],
    ['{"image": 7}', /one path for image or video in line 3/],
    ['{"image": "a.png", "video": "b.mp4"}', /one path for image or video in line 3/],
    ['{"image": "a.png", "caption": 3}', /a text for captions in line 3/],
    ['{"image": "a.png", "captions": "x"}', /a list for captions in line 3/],
    ['{"image": "a.png", "caption": "x", "captions": ["y"]}', /either one or a list for captions/],
    ['{"image": "a.png", "label": -1}', /a whole number below .* for labels in line 3/],
    ['{"image": "a.png", "labels": [1e9]}', /a whole number below .* for labels in line 3/],
    ['{"image": "a.png", "label": {}}', /for labels in line 3/],
    ['{"image": "a.png", "objects": [{}]}', /a box of objects in line 3/],
    ['{"image": "a.png", "objects": [{"box": [3, 0, 1, 1], "label": "x"}]}', /a box of objects/],
    ['{"image": "a.png", "objects": [{"box": [0, 0, 1, 1]}]}', /a label of objects in line 3/],
    ['{"image": "a.png", "label": 2}', /either names or numbers for the labels of/],
  ];
  for (const [line, message] of wrong) {
    const file = writeText(folder, "x.jsonl", `${good}\n\n${line}\n${good}\n`);
    t.is(await refused(t, { kind: "jsonl", file }, message), "BAD_INPUT", line);
  }
  const blank = writeText(folder, "blank.jsonl", "\n \n");
  t.is(await refused(t, { kind: "jsonl", file: blank }, /at least one line/), "BAD_INPUT");
  const file = join(folder, "none.jsonl");
  t.is(await refused(t, { kind: "jsonl", file }, /there is no file/), "NOT_FOUND");
});

test("a list of the program's own is taken as it is", async (t) => {
  const entries = [
    { file: "/a.png", labels: [1], captions: ["x"] },
    { file: "/b.mp4", video: true },
  ];
  const { labels, samples } = await samplesOf({ kind: "listed", entries, labels: ["p", "q"] }, "");
  t.deepEqual(labels, ["p", "q"]);
  t.deepEqual(samples, [
    { name: "/a.png", images: ["/a.png"], labels: [1], captions: ["x"] },
    { name: "/b.mp4", video: "/b.mp4" },
  ]);
  t.is(await refused(t, { kind: "listed", entries: [] }, /at least one for entries/), "BAD_INPUT");
});

test("options of splits and scenes that mean nothing are refused", async (t) => {
  const folder = temporaryFolder();
  await writePictures(folder, { "a.png": {} });
  const wrong: [object, RegExp][] = [
    [{ split: "test" }, /one of train, held for split/],
    [{ heldShare: 1.5 }, /for heldShare/],
    [{ splitSeed: -1 }, /for splitSeed/],
    [{ split: "held", heldShare: 0 }, /at least one picture/],
  ];
  for (const [options, message] of wrong) {
    t.is(await refused(t, { kind: "folder", folder, ...options }, message), "BAD_INPUT");
  }
  t.is(await refused(t, { kind: "shapesworld", samples: 0 }, /for samples/), "BAD_INPUT");
  t.is(await refused(t, { kind: "shapesworld", start: -1 }, /for start/), "BAD_INPUT");
});

test("scenes of Shapes World tell what is seen in them", async (t) => {
  const options = { size: [32, 24], frames: 3, seed: 2 } as const;
  const dataset = await openDataset({ kind: "shapesworld", options, start: 5, samples: 2 });
  const { ShapesWorld, shapesworld } = await import("../../lib/index.js");
  const clip = new ShapesWorld(options).clip(6);
  const sample = await dataset.sample(1);
  t.is(dataset.length, 2);
  t.deepEqual(dataset.labels, [...shapesworld.SHAPES, ...shapesworld.COLORS]);
  t.is(sample.name, "clip 6 of seed 2");
  t.deepEqual(sample.images, [...clip]);
  const named = new Set(sample.labels?.map((label) => dataset.labels![label]!));
  t.deepEqual(
    [...named].sort(),
    [...new Set(clip.objects.flatMap(({ shape, color }) => [shape as string, color]))].sort(),
  );
  t.deepEqual(
    sample.boxes,
    clip.objects.flatMap(({ boxes }) => (boxes[0] ? [boxes[0]] : [])),
  );
  t.deepEqual(
    sample.captions,
    clip.captions.map(({ text }) => text),
  );
  const plain = await openDataset({ kind: "shapesworld", options, captions: false });
  t.is((await plain.sample(0)).captions, undefined);
});
