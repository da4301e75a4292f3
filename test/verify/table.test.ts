/** The published values themselves: their form. That they hold, only real weights can tell. */
import test from "ava";
import { parseHubName } from "../../lib/core/hub-cache.js";
import { type OwlViTValue, REFERENCES } from "../../lib/models/owlvit/references.js";
import { siglipSubjects } from "../../lib/verify/siglip.js";
import { subjects } from "../../lib/verify/table.js";

test("names are those of models on the hub, and none is left out", (t) => {
  const siglip = siglipSubjects.map(([name]) => name);
  t.deepEqual(Object.keys(subjects).sort(), [...Object.keys(REFERENCES), ...siglip].sort());
  for (const name of Object.keys(subjects)) t.is(parseHubName(name)?.name, name);
});

test("pictures have an address, a plain name and a size", (t) => {
  for (const { picture } of Object.values(subjects)) {
    t.true(URL.canParse(picture.url));
    t.regex(picture.name, /^[\w-]+\.(jpg|png)$/);
    for (const side of [picture.width, picture.height]) t.true(Number.isSafeInteger(side));
  }
});

/** Columns of each value. */
const COLUMNS: Record<OwlViTValue, number> = {
  pred_boxes: 3,
  target_pred_boxes: 3,
  logits: 2,
  queries: 1,
  scores: 1,
  boxes: 4,
};

for (const [name, references] of Object.entries(REFERENCES)) {
  test(`${name}: rows of finite numbers, each with a tolerance and a source`, (t) => {
    t.is(new Set(references.map((one) => one.name)).size, references.length);
    for (const { name: way, values } of references) {
      t.true(Object.keys(values).length > 0, way);
      for (const [value, { expected, tolerance, source }] of Object.entries(values)) {
        const about = `${way}: ${value}`;
        t.true(expected.length > 0, about);
        for (const row of expected) t.is(row.length, COLUMNS[value as OwlViTValue], about);
        t.true(expected.flat().every(Number.isFinite), about);
        t.true(value === "queries" ? tolerance === 0 : tolerance > 0, about);
        t.regex(source, /^transformers, \S+\.py: \w/, about);
      }
      const { queries, scores, boxes } = values;
      for (const one of [scores, boxes]) {
        t.is(one?.expected.length, one && queries?.expected.length, way);
      }
    }
  });

  test(`${name}: boxes and scores lie where they can`, (t) => {
    for (const { pred_boxes, target_pred_boxes, scores, boxes } of references.map(
      ({ values }) => values,
    )) {
      for (const one of [pred_boxes, target_pred_boxes, scores]) {
        t.true(one?.expected.flat().every((number) => number > 0 && number < 1) ?? true);
      }
      for (const [x0, y0, x1, y1] of boxes?.expected ?? []) t.true(x0! < x1! && y0! < y1!);
    }
  });
}
