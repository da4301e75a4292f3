/** Published numbers beside ours. */

export type Rows = readonly (readonly number[])[];

/** A published value, and what came of computing it here. */
export interface Check {
  /** What was computed. */
  name: string;
  /** Where the value was published. */
  source: string;
  expected: Rows;
  got: Rows;
  /** How far each number of `got` may be from the expected one. */
  tolerance: number;
  /** How far the furthest is; null where `got` has another shape or is not finite. */
  difference: number | null;
  holds: boolean;
}

/** A value before it is computed here. */
export type Expectation = Pick<Check, "name" | "source" | "expected" | "tolerance">;

/** A number beside ours. */
export interface Pair {
  expected: number;
  got: number;
}

/** Compares every number. */
export function compare(expectation: Expectation, got: Rows): Check {
  const { name, source, expected, tolerance } = expectation;
  const pairs = pairsOf(expected, got);
  const difference = pairs ? Math.max(0, ...pairs.map(apart)) : null;
  const holds = difference !== null && difference <= tolerance;
  return { name, source, expected, got, tolerance, difference, holds };
}

/** The numbers that differ most; undefined where there are none to compare. */
export function furthest({ expected, got }: Pick<Check, "expected" | "got">): Pair | undefined {
  return pairsOf(expected, got)?.sort((one, other) => apart(other) - apart(one))[0];
}

/** Each number beside ours; undefined for other shapes and for what is not finite. */
function pairsOf(expected: Rows, got: Rows): Pair[] | undefined {
  const shapeOf = (rows: Rows) => rows.map(({ length }) => length).join();
  if (shapeOf(got) !== shapeOf(expected) || !got.flat().every(Number.isFinite)) return undefined;
  const ours = got.flat();
  return expected.flat().map((number, place) => ({ expected: number, got: ours[place]! }));
}

function apart({ expected, got }: Pair): number {
  return Math.abs(got - expected);
}
