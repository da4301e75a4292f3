/** The scores of `scripts/oracles/coco_eval.py`: pycocotools' and the lvis package's. */
import { readFileSync } from "node:fs";
import test, { type ExecutionContext } from "ava";
import {
  type CocoDataset,
  type CocoResult,
  type EvaluationOptions,
  evaluateCoco,
  evaluateLvis,
  type LvisDataset,
} from "../../lib/eval/index.js";

type Scores = Record<string, number>;
type Expected = Scores & { perCategory: (Scores & { id: number })[] };

interface Fixture<Dataset> {
  groundTruth: Dataset;
  results: CocoResult[];
  cases: { options: EvaluationOptions; expected: Expected }[];
}

function fixture<Dataset>(name: string): Fixture<Dataset> {
  const file = new URL(`../fixtures/coco_eval/${name}.json`, import.meta.url);
  return JSON.parse(readFileSync(file, "utf8"));
}

/** Every score of `expected`, to 1e-12, and no other number. */
function same(t: ExecutionContext, actual: object, expected: Scores): void {
  const scores = Object.entries(actual).filter(([, value]) => typeof value === "number");
  t.deepEqual(scores.map(([name]) => name).sort(), Object.keys(expected).sort());
  for (const [name, score] of scores) {
    t.true(Math.abs(score - expected[name]!) <= 1e-12, `${name}: ${score}, not ${expected[name]}`);
  }
}

function sameMetrics(
  t: ExecutionContext,
  actual: { perCategory: readonly { id: number }[] },
  { perCategory, ...expected }: Expected,
): void {
  same(t, actual, expected as Scores);
  t.is(actual.perCategory.length, perCategory.length);
  for (const [index, category] of perCategory.entries()) {
    same(t, actual.perCategory[index]!, category);
  }
}

const coco = fixture<CocoDataset>("coco");
const lvis = fixture<LvisDataset>("lvis");

const nameOf = (options: EvaluationOptions): string =>
  Object.keys(options).length === 0 ? "everything" : `a choice of ${Object.keys(options)}`;

for (const { options, expected } of coco.cases) {
  test(`COCO, ${nameOf(options)}: scores are those of pycocotools`, (t) => {
    sameMetrics(t, evaluateCoco(coco.groundTruth, coco.results, options), expected);
  });
}

for (const { options, expected } of lvis.cases) {
  test(`LVIS, ${nameOf(options)}: scores are those of the lvis package`, (t) => {
    sameMetrics(t, evaluateLvis(lvis.groundTruth, lvis.results, options), expected);
  });
}

test("the order of pictures, categories and annotations in the file decides nothing", (t) => {
  const { images, categories, annotations } = lvis.groundTruth;
  const reversed = {
    images: [...images].reverse(),
    categories: [...categories].reverse(),
    annotations,
  };
  t.deepEqual(evaluateLvis(reversed, lvis.results), evaluateLvis(lvis.groundTruth, lvis.results));
});

test("categories carry their names, and LVIS's their frequency", (t) => {
  const [first] = evaluateLvis(lvis.groundTruth, lvis.results).perCategory;
  const category = lvis.groundTruth.categories.find(({ id }) => id === first!.id);
  t.like(first, { name: category!.name, frequency: category!.frequency });
});
