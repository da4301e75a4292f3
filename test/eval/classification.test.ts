/** Scores of classifiers, equal to scikit-learn's. */
import { readFileSync } from "node:fs";
import test from "ava";
import {
  averagePrecision,
  meanAveragePrecision,
  topOneAccuracy,
} from "../../lib/eval/classification.js";
import { fixture } from "../models/fixtures.js";

const { labels, several, one } = JSON.parse(
  readFileSync(fixture("classification", "scores.json"), "utf8"),
);

test("average precision of each label, and their mean, with and without equal scores", (t) => {
  for (const { scores, truths, precisions, mean } of several) {
    const ours = meanAveragePrecision(scores, truths, labels);
    t.true(Math.abs(ours.mean - mean) < 1e-12);
    ours.labels.forEach((precision, label) => {
      const expected = precisions[label] ?? Number.NaN;
      t.true(Object.is(precision, expected) || Math.abs(precision - expected) < 1e-12, `${label}`);
    });
  }
});

test("top-1 accuracy", (t) => {
  t.is(topOneAccuracy(one.scores, one.truths, one.labels), one.accuracy);
});

test("the ends: all right, all wrong, nothing to find", (t) => {
  t.is(averagePrecision([3, 2, 1], [1, 1, 0]), 1);
  t.is(averagePrecision([3, 2, 1], [0, 0, 1]), 1 / 3);
  t.is(averagePrecision([1, 1, 1, 1], [0, 1, 0, 0]), 1 / 4);
  t.is(averagePrecision([2, 1], [0, 0]), Number.NaN);
  t.is(meanAveragePrecision([], [], 3).mean, Number.NaN);
  t.is(topOneAccuracy([1, 1, 0, 2], [0, 1], 2), 1);
});

test("scores that do not fit the truths are refused", (t) => {
  t.throws(() => averagePrecision([1], [1, 0]), { code: "BAD_INPUT" });
  t.throws(() => meanAveragePrecision([1, 2], [1], 1), { code: "BAD_INPUT" });
  t.throws(() => topOneAccuracy([1, 2, 3], [1], 2), { code: "BAD_INPUT" });
});
