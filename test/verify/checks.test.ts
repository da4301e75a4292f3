/** How published numbers are compared with ours. */
import test from "ava";
import { compare, furthest, type Rows } from "../../lib/verify/checks.js";

const EXPECTED: Rows = [
  [0.5, -2],
  [3, 4],
];
const against = (got: Rows, tolerance = 0.25) =>
  compare({ name: "boxes", source: "a test", expected: EXPECTED, tolerance }, got);

test("the furthest number decides, whichever side it is on", (t) => {
  const got = [
    [0.625, -2.25],
    [3, 4],
  ];
  t.deepEqual(against(got), {
    name: "boxes",
    source: "a test",
    expected: EXPECTED,
    got,
    tolerance: 0.25,
    difference: 0.25,
    holds: true,
  });
  t.deepEqual(furthest({ expected: EXPECTED, got }), { expected: -2, got: -2.25 });
  const above = against([
    [0.625, -2],
    [3, 4.5],
  ]);
  t.is(above.difference, 0.5);
  t.false(above.holds);
});

test("without tolerance, equal numbers hold", (t) => {
  t.true(against(EXPECTED, 0).holds);
  t.is(against(EXPECTED, 0).difference, 0);
});

test("nothing as published holds", (t) => {
  const check = compare({ name: "boxes", source: "a test", expected: [], tolerance: 0 }, []);
  t.is(check.difference, 0);
  t.true(check.holds);
  t.is(furthest(check), undefined);
});

for (const [what, got] of [
  ["nothing", []],
  ["a row less", [[0.5, -2]]],
  ["a row more", [...EXPECTED, [0, 0]]],
  ["a column less", [[0.5], [3]]],
  ["as many numbers in other rows", [[0.5, -2, 3, 4]]],
  [
    "NaN",
    [
      [0.5, Number.NaN],
      [3, 4],
    ],
  ],
  [
    "infinity",
    [
      [0.5, -2],
      [3, Number.POSITIVE_INFINITY],
    ],
  ],
] as const) {
  test(`never holds: ${what}`, (t) => {
    const { difference, holds } = against(got, 1e9);
    t.is(difference, null);
    t.false(holds);
  });
}
