import test from "ava";
import { type Index, ones, ops, slice, Tensor, TorchsightError, tensor, tidy } from "torchsight";
import { decode, decodeTensor, difference, type Encoded, fixture } from "./fixture.js";

type Bounds = [start: number | null, stop: number | null, step: number];
type Part = Encoded | { slice: Bounds };

interface Case {
  source: string;
  key: Part[];
  result: Encoded;
  assigned: Encoded;
}

const { base, cases } = fixture<{ base: { t: Parameters<typeof decodeTensor>[0] }; cases: Case[] }>(
  "indexing",
);

function index(part: Part): Index {
  const { slice: bounds } = Object(part) as { slice?: Bounds };
  return Array.isArray(bounds) ? slice(...bounds) : (decode(part as Encoded) as Index);
}

for (const { source, key, result, assigned } of cases) {
  test(`x[${source}] is PyTorch's`, async (t) => {
    const x = decodeTensor(base.t);
    const indices = key.map(index);
    t.is(await difference(x.index(...indices), result), undefined);
    t.is(await difference(x.set(indices, -1), assigned), undefined);
  });
}

/** A generator of the same numbers on every run. */
function random(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

type Cube = number[][][];

test("random slices agree with plain arrays", async (t) => {
  const pick = random(7);
  const sizes = [4, 5, 6] as const;
  const data: Cube = Array.from({ length: 4 }, (_, i) =>
    Array.from({ length: 5 }, (_, j) => Array.from({ length: 6 }, (_, k) => i * 100 + j * 10 + k)),
  );
  using x = tensor(data, { dtype: "int32" });
  for (let trial = 0; trial < 300; trial += 1) {
    const parts = sizes.map((size) => ({
      start: pick(3) === 0 ? null : pick(2 * size + 3) - size - 1,
      stop: pick(3) === 0 ? null : pick(2 * size + 3) - size - 1,
      step: 1 + pick(3),
    }));
    const places = parts.map(({ start, stop, step }, dim) => range(start, stop, step, sizes[dim]!));
    const expected = places[0]!.map((i) =>
      places[1]!.map((j) => places[2]!.map((k) => data[i]![j]![k]!)),
    );
    const indices = parts.map(({ start, stop, step }) => slice(start, stop, step));
    await tidy(async () => {
      const part = x.index(...indices);
      t.deepEqual(
        part.shape,
        places.map(({ length }) => length),
      );
      if (part.numel > 0) t.deepEqual(await part.toArray(), expected);
    });
  }
});

/** Python's rules for bounds, written out. */
function range(start: number | null, stop: number | null, step: number, size: number): number[] {
  const clamp = (bound: number) => Math.max(0, Math.min(size, bound < 0 ? bound + size : bound));
  const found: number[] = [];
  for (let at = clamp(start ?? 0); at < clamp(stop ?? size); at += step) found.push(at);
  return found;
}

test("slices may be written as text", async (t) => {
  using x = tensor([0, 1, 2, 3, 4, 5, 6, 7]);
  t.deepEqual(await x.index("1:4").toArray(), [1, 2, 3]);
  t.deepEqual(await x.index("-3:").toArray(), [5, 6, 7]);
  t.deepEqual(await x.index("::3").toArray(), [0, 3, 6]);
  t.deepEqual(await x.index(":").toArray(), [0, 1, 2, 3, 4, 5, 6, 7]);
});

test("what an index gives is a view", async (t) => {
  using x = tensor([
    [1, 2],
    [3, 4],
  ]);
  using row = x.index(1);
  ops.fill_(row, 9);
  t.deepEqual(await x.toArray(), [
    [1, 2],
    [9, 9],
  ]);
  row.dispose();
  t.is(x.index().numel, 4);
});

test("assignment broadcasts and converts", async (t) => {
  using x = tensor(new Int32Array(6), { shape: [2, 3] });
  x.set([":", 0], tensor([1.9, 2.9]));
  x.set([1], 7);
  x.set([x.eq(0)], 5);
  t.deepEqual(await x.toArray(), [
    [1, 5, 5],
    [7, 7, 7],
  ]);
});

test("gradients pass through indices", async (t) => {
  using x = ones([3], { requiresGrad: true });
  await ops
    .mul(x.index([0, 0, 2]), tensor([1, 2, 3]))
    .sum()
    .backward();
  t.deepEqual(await x.grad?.toArray(), [3, 0, 3]);
});

test("wrong indices are refused", (t) => {
  using x = ones([2, 3]);
  const refused = (indices: unknown[], message: RegExp) => {
    const error = t.throws(() => x.index(...(indices as Index[])), { instanceOf: TorchsightError });
    t.regex(error?.message ?? "", message);
  };
  refused([2], /an integer from -2 to 1 in dimension 0 for index but received 2 of type number/);
  refused([0.5], /received 0.5 of type number/);
  refused([0, 0, 0], /at most 2 indices but received 3/);
  refused(["...", "..."], /at most one "\.\.\."/);
  refused(["1;2"], /a slice such as/);
  refused([{}], /a number, slice, tensor/);
  t.throws(() => slice(0, 1, 0), { message: /an integer above 0 for step/ });
  t.throws(() => slice(0.5), { message: /an integer or null for start/ });
  t.throws(() => x.set([0], "1" as never), { code: "BAD_INPUT" });
  t.true(x instanceof Tensor);
});
