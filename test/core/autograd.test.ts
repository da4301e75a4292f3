import test from "ava";
import { backward, grad, noGrad, ones, ops, TorchsightError, tensor } from "torchsight";

test("backward gathers gradients in leaves", async (t) => {
  const x = tensor([1, 2, 3], { requiresGrad: true });
  await x.mul(x).sum().backward();
  t.deepEqual(await x.grad?.toArray(), [2, 4, 6]);
  await x.sum().backward();
  t.deepEqual(await x.grad?.toArray(), [3, 5, 7]);
  x.grad = null;
  t.is(x.grad, null);
  x.grad = ones([3]);
  t.deepEqual(await x.grad?.toArray(), [1, 1, 1]);
});

test("backward takes gradients of what is no scalar", async (t) => {
  const x = tensor([1, 2], { requiresGrad: true });
  const y = x.mul(3);
  await t.throwsAsync(async () => y.backward(), { code: "LIBTORCH" });
  await y.backward({ gradient: tensor([1, 10]) });
  t.deepEqual(await x.grad?.toArray(), [3, 30]);
  await backward([x.sum(), x.mul(2)], { gradient: [null, tensor([1, 1])] });
  t.deepEqual(await x.grad?.toArray(), [6, 33]);
});

test("a record is used up unless it is retained", async (t) => {
  const x = tensor([2], { requiresGrad: true });
  const y = x.mul(x).sum();
  await y.backward({ retainGraph: true });
  await y.backward();
  t.deepEqual(await x.grad?.toArray(), [8]);
  const error = await t.throwsAsync(async () => y.backward(), { instanceOf: TorchsightError });
  t.regex(error?.message ?? "", /second time/);
});

test("grad gives gradients of any tensor and leaves others alone", async (t) => {
  const x = tensor([1, 2], { requiresGrad: true });
  const y = x.mul(2);
  const z = y.mul(y).sum();
  const [dy, dx] = await grad(z, [y, x]);
  t.deepEqual(await dy?.toArray(), [4, 8]);
  t.deepEqual(await dx?.toArray(), [8, 16]);
  t.is(x.grad, null);
});

test("grad of what does not matter is null where that is allowed", async (t) => {
  const x = tensor([1], { requiresGrad: true });
  const y = tensor([1], { requiresGrad: true });
  t.deepEqual(await grad(x.sum(), [y], { allowUnused: true }), [null]);
  await t.throwsAsync(async () => grad(x.sum(), [y]), { code: "LIBTORCH" });
});

test("gradients of gradients", async (t) => {
  const x = tensor([3], { requiresGrad: true });
  const [first] = await grad(x.pow(3).sum(), [x], { createGraph: true });
  t.is(first?.item(), 27);
  const [second] = await grad(first!.sum(), [x]);
  t.is(second?.item(), 18);
});

test("what records gradients and what does not", (t) => {
  const x = ones([2], { requiresGrad: true });
  const y = x.add(x);
  t.false(y.isLeaf);
  t.is(y.gradFn, "AddBackward0");
  t.false(y.detach().requiresGrad);
  t.false(noGrad(() => x.add(1)).requiresGrad);
  x.requiresGrad = false;
  t.false(x.add(1).requiresGrad);
  t.throws(
    () => {
      ones([1], { dtype: "int64" }).requiresGrad = true;
    },
    { instanceOf: TorchsightError },
  );
});

test("in-place changes of what a gradient needs are found out", async (t) => {
  const x = tensor([1, 2], { requiresGrad: true });
  const y = x.mul(1);
  const z = y.mul(y).sum();
  ops.add_(y, 1);
  const error = await t.throwsAsync(async () => z.backward(), { instanceOf: TorchsightError });
  t.regex(error?.message ?? "", /modified by an inplace operation/);
});

test("wrong arguments reject the job", async (t) => {
  await t.throwsAsync(async () => backward(3 as never), { code: "BAD_INPUT" });
  const x = ones([1], { requiresGrad: true });
  await t.throwsAsync(async () => backward(x, { gradient: [x, x] }), {
    message: /1 gradients, one for each output/,
  });
  await t.throwsAsync(async () => grad(x, [1 as never]), { message: /a tensor for inputs\[0\]/ });
});
