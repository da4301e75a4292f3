import { setTimeout as sleep } from "node:timers/promises";
import test from "ava";
import {
  enableGrad,
  gradEnabled,
  keep,
  noGrad,
  ones,
  ops,
  type Tensor,
  tensor,
  tidy,
  zeros,
} from "torchsight";

test("tidy frees all but the result", (t) => {
  const made: Tensor[] = [];
  const result = tidy(() => {
    const x = ones([2]);
    const sum = x.add(x);
    made.push(x, sum);
    return sum.mul(2);
  });
  t.true(made.every(({ disposed }) => disposed));
  t.is(result.sum().item(), 8);
});

test("tidy follows await, beside others", async (t) => {
  const run = async (value: number) =>
    tidy(async () => {
      const first = tensor([value]);
      await sleep(5);
      const second = first.add(1);
      await sleep(5);
      return { first, second, sum: second.add(first).item() };
    });
  const outside = ones([1]);
  const results = await Promise.all([1, 2, 3].map(run));
  for (const [index, { first, second, sum }] of results.entries()) {
    t.false(first.disposed || second.disposed);
    t.is(sum, 2 * (index + 1) + 1);
  }
  t.false(outside.disposed);
});

test("results may be in arrays, maps, sets and plain objects", (t) => {
  const { list, map, set, deep } = tidy(() => ({
    list: [ones([1]), [ones([1])]] as const,
    map: new Map([["x", ones([1])]]),
    set: new Set([ones([1])]),
    deep: { deeper: { x: ones([1]) } },
  }));
  t.false(list[0].disposed || list[1][0]!.disposed);
  t.false(map.get("x")!.disposed || [...set][0]!.disposed || deep.deeper.x.disposed);
});

test("what throws is tidied too", async (t) => {
  const made: Tensor[] = [];
  const failing = (): never => {
    made.push(ones([1]));
    throw new Error("on purpose");
  };
  t.throws(() => tidy(failing), { message: "on purpose" });
  await t.throwsAsync(
    tidy(async () => {
      made.push(ones([1]));
      await sleep(1);
      failing();
    }),
    { message: "on purpose" },
  );
  t.is(made.length, 3);
  t.true(made.every(({ disposed }) => disposed));
});

test("what survives an inner scope belongs to the outer one", (t) => {
  let inner: Tensor | undefined;
  let kept: Tensor | undefined;
  tidy(() => {
    inner = tidy(() => ones([1]).add(1));
    t.false(inner.disposed);
    kept = tidy(() => keep(ones([1])));
  });
  t.true(inner!.disposed);
  t.false(kept!.disposed);
});

test("results of jobs belong to the scope that started them", async (t) => {
  let product: Tensor | undefined;
  await tidy(async () => {
    const x = ones([2, 2]);
    product = await ops.job.matmul(x, x);
    t.false(product.disposed);
  });
  t.true(product!.disposed);
});

test("a scope that has ended takes in nothing more", async (t) => {
  let late: Promise<Tensor> | undefined;
  tidy(() => {
    late = sleep(5).then(() => ones([1]));
  });
  t.false((await late)!.disposed);
});

test("noGrad reaches across await and nothing else", async (t) => {
  const x = ones([2], { requiresGrad: true });
  t.true(x.mul(2).requiresGrad);
  const silent = noGrad(async () => {
    t.false(gradEnabled());
    t.false(x.mul(2).requiresGrad);
    await sleep(10);
    t.false(x.mul(2).requiresGrad);
    t.true(enableGrad(() => x.mul(2)).requiresGrad);
    t.false(x.mul(2).requiresGrad);
    const product = await ops.job.mul(x, x);
    t.false(product.requiresGrad);
    return product;
  });
  t.true(x.mul(2).requiresGrad);
  await sleep(3);
  t.true(x.mul(2).requiresGrad);
  await silent;
  t.true((await ops.job.mul(x, x)).requiresGrad);
  t.true(x.mul(2).requiresGrad);
});

test("noGrad ends with what throws", (t) => {
  const x = ones([2], { requiresGrad: true });
  t.throws(() =>
    noGrad(() => {
      throw new Error("on purpose");
    }),
  );
  t.true(x.mul(2).requiresGrad);
});

test("tidy inside noGrad keeps its mode, and the other way round", (t) => {
  const x = ones([2], { requiresGrad: true });
  t.false(noGrad(() => tidy(() => x.mul(2))).requiresGrad);
  let made: Tensor | undefined;
  tidy(() => {
    made = noGrad(() => zeros([1]));
  });
  t.true(made!.disposed);
});
