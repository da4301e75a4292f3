/** The rules of both measures, one at a time, on cases that can be computed by hand. */
import test from "ava";
import {
  type CocoAnnotation,
  type CocoBox,
  type CocoDataset,
  type CocoResult,
  evaluateCoco,
  evaluateLvis,
  type LvisDataset,
  type LvisImage,
} from "../../lib/eval/index.js";

const UNIT: CocoBox = [0, 0, 10, 10];
/** A place where nothing else is. */
const away = (index: number): CocoBox => [1000 + 20 * index, 0, 10, 10];

let ids = 0;
function object(bbox: CocoBox, more: Partial<CocoAnnotation> = {}): CocoAnnotation {
  ids += 1;
  return { id: ids, image_id: 1, category_id: 1, bbox, ...more };
}

function found(bbox: CocoBox, score: number, more: Partial<CocoResult> = {}): CocoResult {
  return { image_id: 1, category_id: 1, bbox, score, ...more };
}

function coco(...annotations: CocoAnnotation[]): CocoDataset {
  return { images: [{ id: 1 }, { id: 2 }], categories: [{ id: 1, name: "cat" }], annotations };
}

function lvis(image: Partial<LvisImage>, ...annotations: CocoAnnotation[]): LvisDataset {
  return {
    images: [{ id: 1, neg_category_ids: [], not_exhaustive_category_ids: [], ...image }],
    categories: [
      { id: 1, name: "cat", frequency: "r" },
      { id: 2, name: "dog", frequency: "f" },
    ],
    annotations,
  };
}

const near = (a: number, b: number): boolean => Math.abs(a - b) < 1e-12;

test("all found: every score is 1, and those of absent sizes -1", (t) => {
  const { perCategory, ...scores } = evaluateCoco(coco(object(UNIT)), [found(UNIT, 0.5)]);
  const expected = {
    ...{ AP: 1, AP50: 1, AP75: 1, APs: 1, APm: -1, APl: -1 },
    ...{ AR1: 1, AR10: 1, AR100: 1, ARs: 1, ARm: -1, ARl: -1 },
  };
  t.deepEqual(scores, expected);
  t.deepEqual(perCategory, [{ id: 1, name: "cat", ...expected }]);
});

test("no results: 0 where there are objects; no objects: -1", (t) => {
  t.like(evaluateCoco(coco(object(UNIT)), []), { AP: 0, AR100: 0, APs: 0, APl: -1 });
  t.like(evaluateCoco(coco(), [found(UNIT, 0.5)]), { AP: -1, AR100: -1 });
  t.like(evaluateCoco({ images: [], categories: [], annotations: [] }, []), { AP: -1 });
});

test("an overlap of exactly the threshold is enough", (t) => {
  // Half of the object: IoU 0.5, which passes one of ten thresholds.
  const scores = evaluateCoco(coco(object(UNIT)), [found([0, 0, 10, 5], 0.5)]);
  t.like(scores, { AP50: 1, AP75: 0, AR100: 0.1 });
  t.true(near(scores.AP, 0.1));
});

test("a mistake that scores higher halves the precision", (t) => {
  const results = [found(away(0), 0.9), found(UNIT, 0.5)];
  t.true(near(evaluateCoco(coco(object(UNIT)), results).AP, 0.5));
});

test("at equal scores the earlier picture ranks first, whatever the order of the results", (t) => {
  const wrong = found(UNIT, 0.5, { image_id: 2 });
  const right = found(UNIT, 0.5);
  t.is(evaluateCoco(coco(object(UNIT)), [wrong, right]).AP, 1);
  const dataset = coco(object(UNIT, { image_id: 2 }));
  t.true(near(evaluateCoco(dataset, [wrong, right]).AP, 0.5));
});

test("of equal overlaps the last object is taken", (t) => {
  // Between two objects with IoU 2/3 each; then a detection of the second only.
  const dataset = coco(object([0, 0, 10, 10]), object([4, 0, 10, 10]));
  const first = found([2, 0, 10, 10], 0.9);
  t.is(evaluateCoco(dataset, [first, found([0, 0, 10, 10], 0.5)]).AP50, 1);
  t.true(evaluateCoco(dataset, [first, found([4, 0, 10, 10], 0.5)]).AP50 < 1);
});

test("recall points are compared as floating-point numbers", (t) => {
  // 7/20 is less than 35 * 0.01, so point 35 is only reached after the mistake.
  const objects = Array.from({ length: 20 }, (_, index) => object(away(index)));
  const hits = objects.slice(0, 8).map(({ bbox }, index) => found(bbox, 0.9 - index / 100));
  hits.splice(7, 0, found(UNIT, 0.835));
  t.true(near(evaluateCoco(coco(...objects), hits).AP, (35 + (6 * 8) / 9) / 101));
});

test("a crowd takes any number of detections, and needs only the detection to lie in it", (t) => {
  const dataset = coco(object(UNIT), object([100, 100, 50, 50], { iscrowd: 1 }));
  const inCrowd = [found([100, 100, 5, 5], 0.9), found([110, 110, 5, 5], 0.8)];
  t.is(evaluateCoco(dataset, [...inCrowd, found(UNIT, 0.5)]).AP, 1);
});

test("an object that counts is preferred to a crowd that covers more", (t) => {
  const dataset = coco(object([0, 0, 10, 6]), object(UNIT, { iscrowd: true }));
  t.is(evaluateCoco(dataset, [found(UNIT, 0.5)]).AP50, 1);
});

test("objects of other sizes count neither when found nor when missed", (t) => {
  const small = object(UNIT);
  const large = object([0, 100, 100, 100]);
  const results = [found(large.bbox, 0.9), found(small.bbox, 0.5)];
  t.like(evaluateCoco(coco(small, large), results), { APs: 1, APm: -1, APl: 1 });
  // The mask is small, though the box is not.
  t.like(evaluateCoco(coco({ ...large, area: 1000 }), []), { APs: 0, APm: -1, APl: -1 });
});

test("COCO counts 1, 10 or 100 detections of a picture and a category", (t) => {
  const at = (place: number): CocoResult[] =>
    Array.from({ length: 120 }, (_, index) =>
      found(index === place - 1 ? UNIT : away(index), 1 - index / 1000),
    );
  const recalls = (place: number): number[] => {
    const { AR1, AR10, AR100 } = evaluateCoco(coco(object(UNIT)), at(place));
    return [AR1, AR10, AR100];
  };
  t.deepEqual(recalls(1), [1, 1, 1]);
  t.deepEqual(recalls(2), [0, 1, 1]);
  t.deepEqual(recalls(10), [0, 1, 1]);
  t.deepEqual(recalls(11), [0, 0, 1]);
  t.deepEqual(recalls(100), [0, 0, 1]);
  t.deepEqual(recalls(101), [0, 0, 0]);
});

test("an annotation whose id is 0 can be found", (t) => {
  t.is(evaluateCoco(coco({ ...object(UNIT), id: 0 }), [found(UNIT, 0.5)]).AP, 1);
});

test("LVIS leaves out categories about which nothing is known in a picture", (t) => {
  const dog = found(away(0), 0.9, { category_id: 2 });
  const elsewhere = object(UNIT, { category_id: 2, image_id: 2 });
  const dataset = (image: Partial<LvisImage>): LvisDataset => {
    const { images, ...rest } = lvis(image, elsewhere);
    return { ...rest, images: [...images, { ...images[0]!, id: 2, neg_category_ids: [] }] };
  };
  const results = [dog, found(UNIT, 0.5, { category_id: 2, image_id: 2 })];
  t.like(evaluateLvis(dataset({}), results), { AP: 1, APf: 1, APr: -1, APc: -1 });
  t.true(near(evaluateLvis(dataset({ neg_category_ids: [2] }), results).APf, 0.5));
});

test("LVIS forgives mistakes where the annotation is not exhaustive", (t) => {
  const results = [found(away(0), 0.9), found(UNIT, 0.5)];
  t.true(near(evaluateLvis(lvis({}, object(UNIT)), results).APr, 0.5));
  const partial = lvis({ not_exhaustive_category_ids: [1] }, object(UNIT));
  t.like(evaluateLvis(partial, results), { AP: 1, APr: 1, AR300: 1 });
});

test("LVIS counts 300 detections of a picture, those that are left out later among them", (t) => {
  const at = (place: number): CocoResult[] =>
    Array.from({ length: place }, (_, index) => {
      const score = 1 - index / 1000;
      return index === place - 1 ? found(UNIT, score) : found(UNIT, score, { category_id: 2 });
    });
  const dataset = lvis({}, object(UNIT));
  t.is(evaluateLvis(dataset, at(300)).AP, 1);
  t.is(evaluateLvis(dataset, at(301)).AP, 0);
});

test("LVIS has no crowds, objects to ignore, and nothing without area", (t) => {
  const crowd = lvis({}, object([0, 0, 100, 100], { iscrowd: 1 }));
  t.like(evaluateLvis(crowd, [found(UNIT, 0.5)]), { AP: 0, AR300: 0 });
  const ignored = lvis({}, object(away(0), { ignore: 1 }), object(UNIT));
  t.is(evaluateLvis(ignored, [found(away(0), 0.9), found(UNIT, 0.5)]).AP, 1);
  const flat = lvis({}, object(UNIT), object(away(1), { area: 0 }));
  t.is(evaluateLvis(flat, [found([5, 5, 0, 9], 0.9), found(UNIT, 0.5)]).AP, 1);
});
