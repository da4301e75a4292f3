/** Shapes World: the same clips everywhere, and options that are checked. */
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import test from "ava";
import { TorchsightError } from "../../lib/core/errors.js";
import { holdOut, ShapesWorld, type ShapesWorldOptions } from "../../lib/data/shapesworld/index.js";
import { philox, type Words } from "../../lib/data/shapesworld/philox.js";
import { Random } from "../../lib/data/shapesworld/random.js";
import { onCircle } from "../../lib/data/shapesworld/turns.js";
import { clipsOf, digest } from "./shapesworld.js";

test("Philox gives the words that its authors publish", (t) => {
  const ones = 0xffffffff;
  const known: [Words, [number, number], Words][] = [
    [
      [0, 0, 0, 0],
      [0, 0],
      [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8],
    ],
    [
      [ones, ones, ones, ones],
      [ones, ones],
      [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd],
    ],
    [
      [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
      [0xa4093822, 0x299f31d0],
      [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1],
    ],
  ];
  for (const [counter, key, words] of known) {
    philox(counter, key);
    t.deepEqual(counter, words);
  }
});

test("numbers of a seed, an index and a purpose are their own, in bounds and even", (t) => {
  const streams: [seed: number, index: number, purpose: number][] = [
    [1, 2, 3],
    [2, 2, 3],
    [1, 3, 3],
    [1, 2, 4],
    [2 ** 32 + 1, 2, 3],
    [1, 2 ** 32 + 2, 3],
  ];
  const words = streams.map((stream) => new Random(...stream).word());
  t.is(new Set(words).size, words.length);
  t.is(new Random(1, 2, 3).word(), words[0]!);

  const random = new Random(5, 0, 0);
  const counts = [0, 0, 0];
  let sum = 0;
  for (let i = 0; i < 30_000; i += 1) {
    counts[random.below(3)]! += 1;
    const real = random.real(2, 4);
    t.true(real >= 2 && real < 4);
    sum += real;
  }
  for (const count of counts) t.true(Math.abs(count - 10_000) < 300, `${counts}`);
  t.true(Math.abs(sum / 30_000 - 3) < 0.02);
  const weighted = [0, 0, 0];
  const sums = Float64Array.from([1, 1, 2 ** 50]);
  for (let i = 0; i < 100; i += 1) weighted[random.weighted(sums)]! += 1;
  t.deepEqual(weighted, [0, 0, 100]);
  t.deepEqual(random.shuffled([1, 2, 3, 4]).sort(), [1, 2, 3, 4]);
});

test("places on the circle are those of sine and cosine", (t) => {
  for (let i = -1000; i <= 1000; i += 1) {
    const [x, y] = onCircle(i / 333);
    const angle = (i / 333) * 2 * Math.PI;
    t.true(Math.abs(x - Math.cos(angle)) < 1e-14 && Math.abs(y - Math.sin(angle)) < 1e-14);
  }
});

test("nothing is used that the language leaves to the platform", (t) => {
  const folder = fileURLToPath(new URL("../../lib/data/shapesworld/", import.meta.url));
  const files = readdirSync(folder);
  t.true(files.length > 20);
  for (const file of files) {
    const text = readFileSync(`${folder}${file}`, "utf8");
    t.notRegex(text, /Math\.(a?(sin|cos|tan)h?|atan2|exp|expm1|log\w*|pow|hypot|cbrt|random)\b/);
    t.notRegex(text, /Date|performance|localeCompare/, file);
  }
});

/** Digests of a clip's pixels and of its document, for worlds that use all there is. */
const GOLDEN: readonly [ShapesWorldOptions, number, pixels: string, document: string][] = [
  [{ seed: 1 }, 0, "a36b8767d606134b", "00a8d9da665a602b"],
  [
    { seed: 2 ** 40 + 7, size: [33, 47], frames: 9, fps: 12.5 },
    2 ** 35,
    "3ea2c6bf7407b270",
    "fde035f6429535fb",
  ],
  [
    { seed: 3, texture: "conflict", size: [96, 64], grain: 12, objects: 4 },
    5,
    "5414cca60aba99ae",
    "69b3002817bfe1a0",
  ],
  [
    { seed: 4, occlusion: "heavy", objects: [5, 8], stride: 3, frames: [20, 40] },
    1,
    "d694f59ffc92c031",
    "04bf3b0bf626012d",
  ],
  [
    { seed: 5, weights: { shape: { zipf: 1.3 }, motion: { zipf: 0.7 } } },
    17,
    "992c777bd235b665",
    "902f6e0b43a9c247",
  ],
  [
    { seed: 6, size: { shortSide: [32, 64], aspect: [0.4, 3] }, captionNoise: 0.5 },
    3,
    "a4a264c82b554e91",
    "d97a518aff3afb89",
  ],
];

for (const [options, index, pixels, document] of GOLDEN) {
  test(`a clip is the same on every machine: ${JSON.stringify(options)}`, (t) => {
    const clip = new ShapesWorld(options).clip(index);
    t.is(digest(clip.pixels()), pixels);
    t.is(digest(JSON.stringify(clip.annotations())), document);
  });
}

test("a clip depends on its seed and index alone, not on what was asked before", (t) => {
  const world = new ShapesWorld({ seed: 9, size: [40, 40] });
  const documents = clipsOf(6, { seed: 9, size: [40, 40] }).map((clip) => {
    return [digest(clip.pixels()), digest(JSON.stringify(clip.annotations()))];
  });
  t.is(new Set(documents.flat()).size, 12, "all differ");
  for (const index of [5, 0, 3, 3]) {
    const clip = world.clip(index);
    // The document first, and frames backwards.
    t.is(digest(JSON.stringify(clip.annotations())), documents[index]![1]!);
    const frames = [15, 7, 0].map((frame) => digest(clip.frame(frame).data));
    const again = [...world.clip(index)].map(({ data }) => digest(data));
    t.deepEqual(frames, [again[15]!, again[7]!, again[0]!]);
    const whole = world.clip(index).pixels();
    t.is(digest(whole), documents[index]![0]!);
    t.deepEqual(whole.subarray(0, 40 * 40 * 3), clip.frame(0).data);
  }
});

test("clips go on without end, and ranks take turns", (t) => {
  const world = new ShapesWorld({ size: [16, 16], frames: 1 });
  const taken: number[] = [];
  for (const clip of world) {
    taken.push(clip.index);
    if (taken.length === 5) break;
  }
  t.deepEqual(taken, [0, 1, 2, 3, 4]);
  const ofRank = [...world.clips({ start: 2, step: 4, count: 3 })].map(({ index }) => index);
  t.deepEqual(ofRank, [2, 6, 10]);
  t.is(world.clip(Number.MAX_SAFE_INTEGER).frames, 1);
});

test("what an option has nothing to do with stays as it is", (t) => {
  const plain = new ShapesWorld({ seed: 3 }).clip(4);
  const other = new ShapesWorld({ seed: 3, captions: 9, questions: 2, keyframeEvery: 5 }).clip(4);
  t.deepEqual(other.pixels(), plain.pixels());
  t.deepEqual(other.objects, plain.objects);
  t.deepEqual(other.captions.slice(0, 4), plain.captions);
  t.deepEqual(other.questions, plain.questions.slice(0, 2));
  t.deepEqual([other.captions.length, other.questions.length], [9, 2]);
});

const REFUSED: readonly [options: object, message: RegExp][] = [
  [{ sede: 1 }, /a key of the options but received "sede"/],
  [{ seed: -1 }, /for seed/],
  [{ seed: 2 ** 53 }, /for seed/],
  [{ size: [7, 64] }, /from 8 to 4096 for size but received 7/],
  [{ size: [64] }, /\[width, height\] for size|whole number/],
  [{ size: [] }, /at least one size/],
  [{ size: [4096, 8] }, /aspect ratio of at most 16/],
  [{ size: { shortSide: 64, aspect: [2, 1] } }, /two numbers in order.* for size.aspect/],
  [{ size: { shortSide: 64, aspect: [1, 2], side: 3 } }, /a key of size/],
  [{ frames: 0 }, /for frames/],
  [{ frames: [4, 2] }, /two whole numbers in order/],
  [{ frames: 10_001 }, /for frames/],
  [{ fps: 0 }, /for fps/],
  [{ fps: Number.NaN }, /for fps/],
  [{ stride: 1.5 }, /for stride/],
  [{ objects: [0, 3] }, /for objects/],
  [{ objects: 17 }, /for objects/],
  [{ actionSeconds: [0, 1] }, /for actionSeconds/],
  [{ actionSeconds: 2 }, /two numbers/],
  [{ vocabulary: { shape: ["circle", "circle"] } }, /without repeats/],
  [{ vocabulary: { shape: [] } }, /for vocabulary.shape/],
  [{ vocabulary: { shape: ["cube"] } }, /one of circle, .* but received "cube"/],
  [{ vocabulary: { hue: ["red"] } }, /a key of vocabulary/],
  [{ vocabulary: { shape: ["circle"], motion: ["spin"] } }, /fits the shortest clip/],
  [{ vocabulary: { motion: ["meet"] } }, /fits the shortest clip/],
  [{ vocabulary: { motion: ["left"] }, frames: 1 }, /fits the shortest clip/],
  [{ weights: { shape: { zipf: 1, star: 2 } } }, /either zipf or weights/],
  [{ weights: { shape: { star: -1 } } }, /weights.shape.star/],
  [{ weights: { shape: { star: 0 } } }, /a weight above 0/],
  [{ weights: { motion: { jump: 1 } } }, /a key of weights.motion/],
  [{ backgrounds: ["sky"] }, /for backgrounds/],
  [{ heldOut: {} }, /a list of combinations/],
  [{ heldOut: [{}] }, /attributes in each entry/],
  [{ heldOut: [{ color: "mauve" }] }, /heldOut.color/],
  [{ heldOut: [{ fill: "filled" }, { fill: "outlined" }] }, /split train/],
  [{ split: "heldOut" }, /one of heldOut/],
  [{ split: "test" }, /for split/],
  [{ texture: "wood" }, /for texture/],
  [{ texture: "conflict", vocabulary: { fill: ["outlined"] } }, /filled alone/],
  [{ occlusion: 0.5 }, /for occlusion/],
  [{ spread: 2 }, /for spread/],
  [{ grain: 65 }, /for grain/],
  [{ captions: 0 }, /for captions/],
  [{ captionNoise: 1.1 }, /for captionNoise/],
  [{ questions: -1 }, /for questions/],
  [{ keyframeEvery: 0 }, /for keyframeEvery/],
];

test("options that mean nothing are refused", (t) => {
  for (const [options, message] of REFUSED) {
    const error = t.throws(() => new ShapesWorld(options), { instanceOf: TorchsightError });
    t.is(error?.code, "BAD_INPUT", JSON.stringify(options));
    t.regex(error?.message ?? "", message, JSON.stringify(options));
  }
  for (const wrong of [null, 3, []]) {
    const bad = () => new ShapesWorld(wrong as unknown as ShapesWorldOptions);
    t.is(t.throws<TorchsightError>(bad)?.code, "BAD_INPUT");
  }
});

test("arguments that mean nothing are refused", (t) => {
  const world = new ShapesWorld({ frames: 2 });
  const clip = world.clip(0);
  for (const bad of [
    () => world.clip(-1),
    () => world.clip(0.5),
    () => world.clips({ step: 0 }),
    () => clip.frame(2),
    () => clip.frame(-1),
    () => clip.segmentation(9),
    () => clip.mask(clip.objects.length, 0),
    () => holdOut([], 0.1),
    () => holdOut(["shape"], 0),
    () => holdOut(["shape"], 1),
    () => holdOut(["hue" as "color"], 0.5),
  ]) {
    t.is(t.throws<TorchsightError>(bad)?.code, "BAD_INPUT", String(bad));
  }
});
