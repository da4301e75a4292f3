import test, { type ExecutionContext } from "ava";
import type { Tensor } from "../../lib/core/tensor.js";
import {
  clipped,
  generalizedIous,
  ious,
  nms,
  relativeScores,
  sigmoid,
  toCorners,
  toFrame,
  toPixels,
  topK,
} from "../../lib/models/owlvit/boxes.js";
import {
  bestPairs,
  bestQueries,
  betterPairs,
  type Detections,
  type ExampleOptions,
  exampleDetections,
  mergedPairs,
  type TextOptions,
  textDetections,
} from "../../lib/models/owlvit/postprocessing.js";
import { boxMap } from "../../lib/models/owlvit/processing.js";
import { parseProcessor } from "../../lib/models/owlvit/processor.js";
import { fixture, numbers, tensorsOf } from "./fixtures.js";

const expected = await tensorsOf(fixture("owlvit_processing", "detections.safetensors"));

const floats = async (tensor: Tensor) => Float32Array.from(await numbers(tensor));

/** Numbers from 0 to 1, always the same ones. */
function randoms(count: number, seed: number): Float32Array {
  let state = seed;
  return Float32Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  });
}

/** Corners of `count` boxes of sides up to `side`. */
function randomBoxes(count: number, side: number, seed: number): Float32Array {
  const centres = randoms(4 * count, seed).map((value, i) => (i % 4 < 2 ? value : value * side));
  return toCorners(centres);
}

function near(t: ExecutionContext, got: Float32Array, want: Float32Array, gate: number): void {
  t.is(got.length, want.length);
  const off = got.map((value, i) => Math.abs(value - want[i]!));
  t.true(
    off.every((one) => one <= gate),
    `off by ${Math.max(...off)}`,
  );
}

for (const type of ["owlvit", "owlv2"] as const) {
  const processor = parseProcessor(undefined, { model_type: type, imageSize: 960 });

  /** Logits [P, Q], boxes [P, 4] and the map of each image. */
  const images = async () => {
    const logits = expected[`${type}/logits`]!;
    const [count, patches, queries] = logits.shape as [number, number, number];
    const [values, boxes] = [await floats(logits), await floats(expected[`${type}/boxes`]!)];
    const sizes = await numbers(expected.sizes!);
    return Array.from({ length: count }, (_, i) => {
      const image = { height: sizes[2 * i]!, width: sizes[2 * i + 1]! };
      return {
        pairs: bestQueries(
          values.subarray(i * patches * queries, (i + 1) * patches * queries),
          queries,
        ),
        boxes: boxes.subarray(i * patches * 4, (i + 1) * patches * 4),
        map: boxMap(image, processor),
      };
    });
  };

  test(`${type}: the set of post_process_object_detection`, async (t) => {
    const counts: number[] = [];
    for (const [i, { pairs, boxes, map }] of (await images()).entries()) {
      const found = textDetections(pairs, boxes, map, { threshold: 0.3 });
      const want = (key: string) => floats(expected[`${type}/text/${i}/${key}`]!);
      t.deepEqual([...found.queries], [...(await want("labels"))]);
      near(t, found.scores, await want("scores"), 1e-6);
      near(t, found.boxes, await want("boxes"), 1e-4);
      counts.push(found.scores.length);
    }
    t.is(counts[2], 0);
    t.true(counts[0]! > 10 && counts[3]! > 10);
  });

  for (const [threshold, nmsIou] of [
    ["0.0", 0.3],
    ["0.4", 0.3],
    ["0.0", 0.05],
    ["0.2", 1],
  ] as const) {
    test(`${type}: post_process_image_guided_detection, ${threshold}, ${nmsIou}`, async (t) => {
      for (const [i, { pairs, boxes, map }] of (await images()).entries()) {
        const options = { threshold: Number(threshold), nmsIou, scoreMode: "relative" } as const;
        const found = exampleDetections(pairs, boxes, map, options);
        const iou = nmsIou === 1 ? "1.0" : nmsIou;
        const want = (key: string) =>
          floats(expected[`${type}/example/${i}/${threshold}/${iou}/${key}`]!);
        near(t, found.scores, await want("scores"), 2e-6);
        near(t, found.boxes, await want("boxes"), 1e-4);
        t.is(found.scores.length === 0, i === 2, "an image without anything has its entry");
      }
    });
  }
}

test("IoU and generalized IoU are transformers'", async (t) => {
  const corners = await floats(expected.corners!);
  const [iou, generalized] = [expected.iou!, expected.generalized_iou!];
  const [wanted, wantedGeneralized] = [await floats(iou), await floats(generalized)];
  const count = corners.length / 4;
  for (let box = 0; box < count; box += 1) {
    const one = corners.subarray(4 * box, 4 * box + 4);
    const row = (of: Float32Array) => [...of.subarray(box * count, (box + 1) * count)];
    t.deepEqual([...ious(corners, one)], row(wanted), `box ${box}`);
    t.deepEqual([...generalizedIous(corners, one)], row(wantedGeneralized), `box ${box}`);
  }
  t.true(Number.isNaN(ious(corners, corners.subarray(12, 16))[3]!), "a box without an area");
});

test("IoU of boxes that touch, are apart, and lie within each other", (t) => {
  const corners = Float32Array.of(0, 0, 2, 2, 2, 0, 4, 2, 3, 3, 4, 4, 0, 0, 1, 1);
  t.deepEqual([...ious(corners, [0, 0, 2, 2])], [1, 0, 0, 0.25]);
  const generalized = generalizedIous(corners, [0, 0, 2, 2]);
  t.deepEqual([...generalized], [1, 0, Math.fround(-11 / 16), 0.25]);
});

test("centres to corners, to pixels and back, and into the picture", (t) => {
  const corners = toCorners(Float32Array.of(0.5, 0.25, 0.5, 1));
  t.deepEqual([...corners], [0.25, -0.25, 0.75, 0.75]);
  const pixels = toPixels(corners, { x: 640, y: 480 });
  t.deepEqual([...pixels], [160, -120, 480, 360]);
  t.deepEqual([...toFrame(pixels, { x: 640, y: 480 })], [...corners]);
  t.deepEqual([...clipped(pixels, 400, 300)], [160, 0, 400, 300]);
});

/** Suppression as its definition has it, in double precision. */
function bruteForce(
  corners: Float32Array,
  scores: Float32Array,
  threshold: number,
  labels?: Int32Array,
): number[] {
  const order = [...scores.keys()].sort((a, b) => scores[b]! - scores[a]! || a - b);
  const overlap = (a: number, b: number) => {
    const [p, q] = [a, b].map((i) => corners.subarray(4 * i, 4 * i + 4)) as [
      Float32Array,
      Float32Array,
    ];
    const along = (axis: number) =>
      Math.max(0, Math.min(p[axis + 2]!, q[axis + 2]!) - Math.max(p[axis]!, q[axis]!));
    const area = (box: Float32Array) => (box[2]! - box[0]!) * (box[3]! - box[1]!);
    const shared = along(0) * along(1);
    return shared / (area(p) + area(q) - shared);
  };
  const kept: number[] = [];
  for (const box of order) {
    const rival = (other: number) =>
      (!labels || labels[other] === labels[box]) && overlap(other, box) > threshold;
    if (!kept.some(rival)) kept.push(box);
  }
  return kept;
}

for (const threshold of [0, 0.3, 0.7, 1]) {
  test(`suppression above ${threshold} is that of brute force`, (t) => {
    for (const [seed, side] of [0.05, 0.3, 1].entries()) {
      const corners = randomBoxes(300, side, seed + 1);
      // Few levels, so that there are many equal scores.
      const scores = randoms(300, seed + 11).map((score) => Math.round(score * 20) / 20);
      const labels = Int32Array.from(randoms(300, seed + 21), (value) => Math.floor(value * 4));
      t.deepEqual([...nms(corners, scores, threshold)], bruteForce(corners, scores, threshold));
      t.deepEqual(
        [...nms(corners, scores, threshold, labels)],
        bruteForce(corners, scores, threshold, labels),
      );
    }
  });
}

test("suppression of equal boxes and scores keeps the first, at the threshold both", (t) => {
  const same = Float32Array.of(0, 0, 1, 1, 0, 0, 1, 1);
  t.deepEqual([...nms(same, Float32Array.of(0.5, 0.5), 0.9)], [0]);
  const halves = Float32Array.of(0, 0, 2, 1, 0, 0, 1, 1);
  t.deepEqual([...nms(halves, Float32Array.of(0.4, 0.5), 0.5)], [1, 0]);
  // As float32, 3 tenths are a little more than 0.3.
  const tenths = Float32Array.of(0, 0, 10, 1, 0, 0, 3, 1);
  t.deepEqual([...nms(tenths, Float32Array.of(0.9, 0.5), 0.3)], [0, 1]);
  t.deepEqual([...nms(new Float32Array(0), new Float32Array(0), 0.5)], []);
  for (const threshold of [-0.1, 1.1, Number.NaN]) {
    t.throws(() => nms(same, Float32Array.of(1, 1), threshold), { code: "BAD_INPUT" });
  }
});

test("the k largest are those of sorting, of equals the first", (t) => {
  for (const count of [1, 2, 7, 1000]) {
    const values = randoms(count, count).map((value) => Math.round(value * 30) - 15);
    const sorted = [...values.keys()].sort((a, b) => values[b]! - values[a]! || a - b);
    for (const k of [1, 2, 5, 300, 2000]) {
      t.deepEqual([...topK(values, k)], sorted.slice(0, k), `${k} of ${count}`);
    }
  }
  t.deepEqual([...topK(new Float32Array(0), 3)], []);
  for (const k of [0, -1, 1.5]) t.throws(() => topK(new Float32Array(3), k), { code: "BAD_INPUT" });
});

test("scores: sigmoid, and shares of the best", (t) => {
  t.is(sigmoid(0), 0.5);
  t.is(sigmoid(-Infinity), 0);
  t.is(sigmoid(1000), 1);
  const shares = relativeScores(Float32Array.of(0.8, 0.08, 0.44, 0));
  near(t, shares, Float32Array.of(1, 0, 0.5, 0), 1e-5);
  t.deepEqual([...relativeScores(new Float32Array(2))], [0, 0]);
});

test("a patch goes with the first of its best queries", (t) => {
  const pairs = bestQueries(Float32Array.of(1, 3, 3, -2, -1, -5), 3);
  t.deepEqual([...pairs.queries], [1, 1]);
  t.deepEqual([...pairs.logits], [3, -1]);
  const part = bestQueries(Float32Array.of(2, 3, 0, -1), 2, 3);
  const better = betterPairs(pairs, part);
  t.deepEqual([...better.queries], [1, 3]);
  t.deepEqual([...better.logits], [3, 0]);
  for (const queries of [0, 4, 1.5]) {
    t.throws(() => bestQueries(new Float32Array(6), queries), { code: "BAD_INPUT" });
  }
});

test("the best pairs are those of the sorted matrix, also when it comes in parts", (t) => {
  const [patches, queries] = [40, 9];
  const logits = randoms(patches * queries, 5);
  const whole = bestPairs(logits, queries, 25);
  const sorted = [...logits.keys()].sort((a, b) => logits[b]! - logits[a]!).slice(0, 25);
  t.deepEqual(
    [...whole.patches].map((patch, i) => patch * queries + whole.queries[i]!),
    sorted,
  );
  t.deepEqual(
    [...whole.logits],
    sorted.map((i) => logits[i]!),
  );
  const part = (first: number, end: number) => {
    const columns = logits.filter((_, i) => i % queries >= first && i % queries < end);
    return bestPairs(columns, end - first, 25, first);
  };
  t.deepEqual(mergedPairs([part(0, 4), part(4, 9)], 25), whole);
});

/** Three boxes on one spot, the worst of query 1, and between them in order one apart. */
const PAIRS = {
  logits: Float32Array.of(0.7, 0.6, 0.9, 0.5).map((score) => Math.log(score / (1 - score))),
  queries: Int32Array.of(0, 0, 0, 1),
};
const BOXES = Float32Array.from([0.5, 0.1, 0.52, 0.5].flatMap((x) => [x, 0.5, 0.2, 0.2]));
const MAP = { x: 100, y: 50 };

const text = (options: TextOptions) => [...textDetections(PAIRS, BOXES, MAP, options).patches];
const example = (options: ExampleOptions) => exampleDetections(PAIRS, BOXES, MAP, options);

test("text: the threshold is not kept itself, suppression only if asked for", (t) => {
  t.deepEqual(text({}), [0, 1, 2, 3]);
  t.deepEqual(text({ threshold: 0.55 }), [0, 1, 2]);
  const half = { logits: new Float32Array(1), queries: new Int32Array(1) };
  t.is(textDetections(half, BOXES, MAP, { threshold: 0.5 }).scores.length, 0);
  t.deepEqual(text({ nmsIou: 0.5 }), [1, 2, 3]);
  t.deepEqual(text({ nmsIou: 0.5, nmsAcrossQueries: true }), [1, 2]);
});

test("text: the best come first where so many are asked for", (t) => {
  t.deepEqual(text({ topK: 3 }), [2, 0, 1]);
  t.deepEqual(text({ topK: 3, nmsIou: 0.5 }), [2, 1, 3]);
  t.deepEqual(text({ topK: 9, threshold: 0.65 }), [2, 0]);
  t.throws(() => text({ topK: 0 }), { code: "BAD_INPUT" });
});

test("text: a patch may be found for several queries", (t) => {
  const logits = Float32Array.of(2, 3, -9, 1);
  const found = textDetections(bestPairs(logits, 2, 300), BOXES.subarray(0, 8), MAP);
  t.deepEqual([...found.patches], [0, 0, 1]);
  t.deepEqual([...found.queries], [1, 0, 1]);
  t.deepEqual([...found.boxes.subarray(0, 4)], [...found.boxes.subarray(4, 8)]);
  near(t, found.boxes.subarray(8), Float32Array.of(0, 20, 20, 30), 1e-5);
});

test("example: scores as they are, without overlapping boxes", (t) => {
  const found = example({});
  t.deepEqual([...found.patches], [1, 2]);
  near(t, found.scores, Float32Array.of(0.6, 0.9), 1e-6);
  t.deepEqual([...example({ threshold: 0.65 }).patches], [2]);
  t.deepEqual([...example({ threshold: 0.65, nmsIou: 1 }).patches], [0, 2]);
  const half = { logits: new Float32Array(1), queries: new Int32Array(1) };
  t.is(exampleDetections(half, BOXES, MAP, { threshold: 0.5 }).scores.length, 0);
});

test("example: the best come first where so many are asked for", (t) => {
  const found = example({ topK: 5, scoreMode: "relative" });
  t.deepEqual([...found.patches], [2, 1]);
  near(t, found.scores, Float32Array.of(1, (0.6 - 0.09) / 0.81), 1e-5);
  t.deepEqual([...example({ topK: 1 }).patches], [2]);
});

test("thresholds are numbers from 0 to 1", (t) => {
  for (const threshold of [-0.1, 1.5, Number.NaN, "0.1" as unknown as number]) {
    t.throws(() => text({ threshold }), { code: "BAD_INPUT", message: /from 0 to 1/ });
    t.throws(() => example({ threshold }), { code: "BAD_INPUT", message: /from 0 to 1/ });
  }
});

test("example: relative scores are shares of the best, and keep the threshold itself", (t) => {
  const found = example({ scoreMode: "relative" });
  near(t, found.scores, Float32Array.of((0.6 - 0.09) / 0.81, 1), 1e-5);
  t.deepEqual([...example({ scoreMode: "relative", threshold: 0.95 }).patches], []);
  const half = { logits: new Float32Array(1), queries: new Int32Array(1) };
  const options: ExampleOptions = { scoreMode: "relative", threshold: 0.5 };
  t.is(exampleDetections(half, BOXES, MAP, options).scores.length, 1);
  t.throws(() => example({ scoreMode: "share" as "relative" }), { code: "BAD_INPUT" });
});

test("nothing to look for gives nothing", (t) => {
  const none = { logits: new Float32Array(0), queries: new Int32Array(0) };
  const empty: Detections = {
    boxes: new Float32Array(0),
    scores: new Float32Array(0),
    queries: new Int32Array(0),
    patches: new Int32Array(0),
  };
  t.deepEqual(textDetections(none, BOXES, MAP, { topK: 5, nmsIou: 0.5 }), empty);
  t.deepEqual(exampleDetections(none, BOXES, MAP), empty);
});
