/** Shapes World: what is drawn how often, and what is held out. */
import test from "ava";
import {
  COLORS,
  type Combination,
  FILLS,
  holdOut,
  MOTIONS,
  type PartialCombination,
  SHAPES,
  type ShapesClip,
  SIZES,
} from "../../lib/data/shapesworld/index.js";
import { chiSquare, clipsOf, digest, placeOf } from "./shapesworld.js";

/** All attributes of all objects, with each of their motions. */
function combinationsOf(clip: ShapesClip): Combination[] {
  return clip.objects.flatMap(({ shape, color, size, fill, actions }) => {
    return actions.map(({ name }) => ({ shape, color, size, fill, motion: name }));
  });
}

function agrees(object: Combination, wanted: PartialCombination): boolean {
  return Object.entries(wanted).every(([key, value]) => object[key as "shape"] === value);
}

const PICTURES = { frames: 1, objects: 1, size: [8, 8], questions: 0 } as const;

function countsOf<Name extends string>(
  names: readonly Name[],
  clips: readonly ShapesClip[],
  key: "shape" | "color" | "size" | "fill",
): number[] {
  const seen = clips.map((clip) => clip.objects[0]![key] as string);
  return names.map((name) => seen.filter((one) => one === name).length);
}

test("without weights all values come alike", (t) => {
  const clips = clipsOf(4000, { ...PICTURES, seed: 21 });
  const lists = { shape: SHAPES, color: COLORS, size: SIZES, fill: FILLS } as const;
  for (const [key, names] of Object.entries(lists)) {
    const counts = countsOf<string>(names, clips, key as "shape");
    const statistic = chiSquare(
      counts,
      names.map(() => 4000 / names.length),
    );
    t.true(statistic < 27.9, `${key}: ${counts}`);
  }
});

test("Zipf's weights make late values of a list rare", (t) => {
  const shape = ["star", "circle", "heart", "bar", "plus"] as const;
  const weights = { shape: { zipf: 1 }, color: { zipf: 2 } } as const;
  const clips = clipsOf(5000, { ...PICTURES, seed: 22, vocabulary: { shape }, weights });
  const expected = (count: number, exponent: number) => {
    const raw = Array.from({ length: count }, (_, at) => (at + 1) ** -exponent);
    const sum = raw.reduce((a, b) => a + b);
    return raw.map((weight) => (5000 * weight) / sum);
  };
  const shapes = countsOf(shape, clips, "shape");
  t.true(chiSquare(shapes, expected(5, 1)) < 18.5, `${shapes}`);
  const colors = countsOf(COLORS, clips, "color");
  t.true(chiSquare(colors, expected(9, 2)) < 26.1, `${colors}`);
  // Were they alike, the statistic would tell.
  t.true(
    chiSquare(
      shapes,
      shape.map(() => 1000),
    ) > 1000,
  );
});

test("weights by name give a long tail of motions", (t) => {
  const motion = { right: 31, left: 31, bounce: 30, spin: 2, blink: 2, grow: 2, still: 2 };
  const options = { frames: 8, objects: 1, size: [16, 16], seed: 23, weights: { motion } } as const;
  const shape = ["bar", "square"] as const;
  const clips = clipsOf(3000, { ...options, vocabulary: { shape } });
  const names = Object.keys(motion);
  const seen = clips.map((clip) => clip.objects[0]!.actions[0]!.name as string);
  const counts = names.map((name) => seen.filter((one) => one === name).length);
  t.is(
    counts.reduce((a, b) => a + b),
    3000,
    "nothing else moves",
  );
  const expected = Object.values(motion).map((weight) => 30 * weight);
  t.true(chiSquare(counts, expected) < 22.5, `${counts}`);
});

test("vocabularies are kept to, and circles never spin", (t) => {
  const vocabulary = {
    shape: ["circle", "bar"],
    color: ["red", "cyan"],
    size: ["large"],
    fill: ["outlined"],
    motion: ["spin", "left", "meet"],
  } as const;
  const seen = new Set<string>();
  for (const clip of clipsOf(200, { vocabulary, seed: 24, size: [32, 32] })) {
    for (const object of combinationsOf(clip)) {
      for (const [key, list] of Object.entries(vocabulary)) {
        t.true((list as readonly string[]).includes(object[key as "shape"]), key);
      }
      t.false(object.shape === "circle" && object.motion === "spin");
      seen.add(`${object.shape} ${object.motion}`);
    }
  }
  t.is(seen.size, 5);
});

test("combinations held out never come in training, and always in their own split", (t) => {
  const heldOut = holdOut(["color", "shape", "motion"], 0.1, { seed: 3 });
  t.is(heldOut.length, Math.round((COLORS.length * SHAPES.length * MOTIONS.length) / 10));
  t.is(new Set(heldOut.map((one) => JSON.stringify(one))).size, heldOut.length);
  t.deepEqual(holdOut(["color", "shape", "motion"], 0.1, { seed: 3 }), heldOut);
  t.notDeepEqual(holdOut(["color", "shape", "motion"], 0.1, { seed: 4 }), heldOut);
  const isHeldOut = (object: Combination) => heldOut.some((one) => agrees(object, one));

  const options = { seed: 25, size: [16, 16], heldOut, frames: 24 } as const;
  const seen = new Set<string>();
  for (const clip of clipsOf(600, options)) {
    for (const object of combinationsOf(clip)) {
      t.false(isHeldOut(object));
      seen.add(`${object.color} ${object.shape} ${object.motion}`);
    }
  }
  t.true(seen.size > 700, `${seen.size} of about 1044 others`);
  const unseen = new Set<string>();
  for (const clip of clipsOf(300, { ...options, split: "heldOut" })) {
    const own = combinationsOf(clip).filter(isHeldOut);
    t.true(own.length > 0);
    for (const { color, shape, motion } of own) unseen.add(`${color} ${shape} ${motion}`);
  }
  t.true(unseen.size > 80, `${unseen.size} of ${heldOut.length}`);
  const shares = clipsOf(400, { ...options, split: "all" }).map((clip) => {
    return combinationsOf(clip).some(isHeldOut);
  });
  const share = shares.filter(Boolean).length / shares.length;
  t.true(share > 0.15 && share < 0.6, `${share}`);
});

test("a combination of any attributes can be held out", (t) => {
  const heldOut = [
    { shape: "star", color: "red" },
    { motion: "orbit" },
    { size: "large", fill: "filled" },
  ] as const;
  for (const clip of clipsOf(200, { seed: 26, size: [16, 16], heldOut })) {
    for (const object of combinationsOf(clip)) {
      t.false(
        heldOut.some((one) => agrees(object, one)),
        JSON.stringify(object),
      );
    }
  }
});

test("objects are put as far from the middle as asked", (t) => {
  const spreads = [0, 0.3, 1].map((spread) => {
    const options = { ...PICTURES, size: [64, 64], seed: 31, spread } as const;
    const offs = clipsOf(200, options).map((clip) => {
      const { x, y } = placeOf(clip.objects[0]!, 0);
      return Math.max(Math.abs(x - 32), Math.abs(y - 32));
    });
    return Math.max(...offs);
  });
  // Boxes of shapes whose middle is not that of their box are a little off.
  t.true(spreads[0]! < 4 && spreads[1]! < 12 && spreads[2]! > 20, `${spreads}`);
});

test("numbers of objects and of frames are drawn from their ranges", (t) => {
  const counts = [0, 0, 0];
  const lengths = new Set<number>();
  for (const clip of clipsOf(300, { objects: [2, 4], frames: [3, 7], size: [16, 16], seed: 27 })) {
    counts[clip.objects.length - 2]! += 1;
    lengths.add(clip.frames);
    t.is(clip.objects[0]!.boxes.length, clip.frames);
    t.is(clip.pixels().length, clip.frames * 16 * 16 * 3);
  }
  t.true(
    counts.every((count) => count > 70),
    `${counts}`,
  );
  t.deepEqual([...lengths].sort(), [3, 4, 5, 6, 7]);
});

test("sizes and aspect ratios are mixed as the rule has it", (t) => {
  const size = { shortSide: [24, 48], aspect: [0.5, 2], multipleOf: 4 } as const;
  const sizes = clipsOf(200, { size, seed: 28 }).map(({ width, height }) => [width, height]);
  for (const [width, height] of sizes as [number, number][]) {
    t.is((width % 4) + (height % 4), 0);
    t.true(Math.min(width, height) >= 24 && Math.min(width, height) <= 48);
    const aspect = width / height;
    t.true(aspect > 0.45 && aspect < 2.2, `${aspect}`);
  }
  const portraits = sizes.filter(([width, height]) => width! < height!).length;
  t.true(portraits > 40 && portraits < 100, `${portraits}`);
  t.true(new Set(sizes.map(String)).size > 50);

  const listed = clipsOf(60, {
    size: [
      [32, 32],
      [48, 16],
    ],
    seed: 28,
  });
  t.deepEqual([...new Set(listed.map(({ width }) => width))].sort(), [32, 48]);
});

test("pictures of one shape and several sizes show one scene", (t) => {
  const [small] = clipsOf(1, { seed: 29, size: [32, 24] });
  const [large] = clipsOf(1, { seed: 29, size: [128, 96] });
  t.deepEqual(large!.captions[0], small!.captions[0]);
  for (const [id, { amodalBoxes }] of small!.objects.entries()) {
    amodalBoxes.forEach((box, frame) => {
      for (const [at, side] of box.entries()) {
        t.true(Math.abs(4 * side - large!.objects[id]!.amodalBoxes[frame]![at]!) < 1e-9);
      }
    });
  }
});

test("keyframes are as sparse as asked, and nothing else has labels in the document", (t) => {
  const firsts = new Set<number>();
  for (const clip of clipsOf(40, { seed: 30, keyframeEvery: 5 })) {
    const [first, ...rest] = clip.keyframes;
    firsts.add(first!);
    t.deepEqual(
      rest,
      [first! + 5, first! + 10, first! + 15].filter((frame) => frame < 16),
    );
    const { objects, keyframes } = clip.annotations();
    t.deepEqual(keyframes, clip.keyframes as number[]);
    for (const [id, object] of objects.entries()) {
      for (const key of ["boxes", "amodalBoxes", "visibility"] as const) {
        t.is(object[key].length, 16);
        object[key].forEach((value, frame) => {
          const known = clip.keyframes.includes(frame) ? clip.objects[id]![key][frame] : null;
          t.deepEqual(value, known as null);
        });
      }
    }
  }
  t.deepEqual([...firsts].sort(), [0, 1, 2, 3, 4]);
  const [one] = clipsOf(1, { seed: 30, keyframeEvery: 100 });
  t.is(one!.keyframes.length, 1);
  const [all] = clipsOf(1, { seed: 30 });
  t.is(all!.keyframes.length, 16);
  t.is(digest(all!.pixels()), digest(one!.pixels()));
});
