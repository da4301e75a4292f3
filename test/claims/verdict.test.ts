import test from "ava";
import { judge } from "../../lib/claims/claim.js";
import { interval, slope } from "../../lib/claims/statistics.js";

const near = (a: number, b: number) => Math.abs(a - b) < 1e-3;

test("the interval of a mean is Student's", (t) => {
  // scipy.stats.t.interval(0.95, 4, loc=3, scale=scipy.stats.sem([1, 2, 3, 4, 5]))
  const { mean, low, high } = interval([1, 2, 3, 4, 5]);
  t.is(mean, 3);
  t.true(near(low, 1.0367) && near(high, 4.9633));
  const two = interval([0, 1]);
  t.true(near(two.low, -5.853) && near(two.high, 6.853));
});

test("one repeat tells nothing", (t) => {
  t.deepEqual(judge([7], { least: 0 }).holds, "inconclusive");
  t.deepEqual(judge([-7], { most: 0 }).holds, "inconclusive");
});

test("a claim holds or fails where the whole interval says so", (t) => {
  t.is(judge([1, 1.1, 0.9], { least: 0 }).holds, true);
  t.is(judge([-1, -1.1, -0.9], { least: 0 }).holds, false);
  t.is(judge([-1, 1.1, 0.9], { least: 0 }).holds, "inconclusive");
  t.is(judge([0.1, 0.11, 0.1], { most: 0.2 }).holds, true);
  t.is(judge([0.3, 0.31, 0.3], { most: 0.2 }).holds, false);
  t.is(judge([2, 2], { least: 2 }).holds, true);
  t.is(judge([2, 2], { above: 2 }).holds, "inconclusive");
  t.is(judge([2.1, 2.1], { above: 2 }).holds, true);
  t.is(judge([1.9, 1.9], { above: 2 }).holds, false);
});

test("the slope is that of the line of least squares", (t) => {
  t.is(slope([[0, 1], [1, 3], [2, 5]]), 2); // biome-ignore format: a table
  // numpy.polyfit([0, 1, 2, 3], [1, 0, 2, 1], 1)[0]
  t.true(near(slope([[0, 1], [1, 0], [2, 2], [3, 1]]), 0.2)); // biome-ignore format: a table
});
