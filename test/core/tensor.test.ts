import { setImmediate as turn } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import test from "ava";
import {
  arange,
  complex,
  type DType,
  empty,
  eye,
  full,
  linspace,
  manualSeed,
  ones,
  ops,
  rand,
  randint,
  randn,
  type Tensor,
  TorchsightError,
  tensor,
  zeros,
} from "torchsight";
import { native } from "../../dist/core/runtime.js";

const ARRAYS = {
  float32: Float32Array.of(1.5, -2, Number.POSITIVE_INFINITY),
  float64: Float64Array.of(Math.PI, -0, Number.NaN),
  int8: Int8Array.of(-128, 0, 127),
  uint8: Uint8Array.of(0, 1, 255),
  int16: Int16Array.of(-32768, 0, 32767),
  int32: Int32Array.of(-2147483648, 0, 2147483647),
  int64: BigInt64Array.of(-(2n ** 63n), 0n, 2n ** 63n - 1n),
} as const;

for (const [dtype, array] of Object.entries(ARRAYS) as [keyof typeof ARRAYS, Float32Array][]) {
  test(`a typed array makes the same ${dtype} tensor`, async (t) => {
    using x = tensor(array);
    t.is<DType, DType>(x.dtype, dtype);
    t.deepEqual(x.shape, [3]);
    t.deepEqual(await x.data(), array);
  });
}

test("halves cross as bits", async (t) => {
  const bits = Uint16Array.of(0x3c00, 0xc000, 0x7c00, 0x0001);
  using half = tensor(bits, { dtype: "float16" });
  t.deepEqual(await half.toArray(), [1, -2, Number.POSITIVE_INFINITY, 2 ** -24]);
  const data = await half.data();
  t.deepEqual(new Uint16Array(data.buffer as ArrayBuffer), bits);
  const brain = Uint16Array.of(0x3f80, 0xc000, 0x7fc0);
  using wide = tensor(brain, { dtype: "bfloat16" });
  t.deepEqual(await wide.toArray(), [1, -2, Number.NaN]);
  t.deepEqual(await wide.data(), brain);
  t.throws(() => tensor(bits), { message: /needs dtype float16 or bfloat16/ });
});

test("bool and complex64 cross as bytes and pairs", async (t) => {
  using flags = tensor([[true], [false]]);
  t.is(flags.dtype, "bool");
  t.deepEqual(await flags.data(), Uint8Array.of(1, 0));
  t.deepEqual(await flags.toArray(), [[true], [false]]);
  using numbers = tensor([complex(1, 2), { re: 0, im: -1 }]);
  t.is(numbers.dtype, "complex64");
  t.deepEqual(await numbers.data(), Float32Array.of(1, 2, 0, -1));
  t.deepEqual(numbers.index(1).item(), { re: 0, im: -1 });
  using conjugate = ops.conj(numbers);
  t.deepEqual(await conjugate.data(), Float32Array.of(1, -2, 0, 1));
  using pairs = tensor(Float32Array.of(1, 2, 3, 4), { dtype: "complex64" });
  t.deepEqual(pairs.shape, [2]);
});

test("numbers take every dtype", async (t) => {
  const dtypes: DType[] = [...(Object.keys(ARRAYS) as DType[]), "float16", "bfloat16"];
  for (const dtype of dtypes) {
    using x = tensor(
      [
        [1, 2],
        [3, 4],
      ],
      { dtype },
    );
    t.is(x.dtype, dtype);
    t.deepEqual(
      await x.toArray(),
      [
        [1, 2],
        [3, 4],
      ],
      dtype,
    );
  }
  t.deepEqual(await tensor([0, 2], { dtype: "bool" }).toArray(), [false, true]);
  t.deepEqual(await tensor([1, 2], { dtype: "complex64" }).toArray(), [
    { re: 1, im: 0 },
    { re: 2, im: 0 },
  ]);
});

test("scalars, bigints and empty arrays", async (t) => {
  t.deepEqual(tensor(3).shape, []);
  t.is(tensor(3).item(), 3);
  t.is(tensor(true).item(), true);
  t.is(tensor(2n ** 40n).item(), 2 ** 40);
  t.is(tensor(7n).dtype, "int64");
  t.deepEqual(tensor([]).shape, [0]);
  t.deepEqual(tensor([[], []]).shape, [2, 0]);
  t.deepEqual(await tensor([[], []]).toArray(), [[], []]);
  t.deepEqual(await zeros([0, 3]).data(), new Float32Array(0));
});

test("data that makes no tensor is refused", (t) => {
  const refused = (make: () => Tensor, code: string, message: RegExp) => {
    const error = t.throws(make, { instanceOf: TorchsightError }) as TorchsightError;
    t.is(error.code, code as never);
    t.regex(error.message, message);
  };
  refused(() => tensor([[1, 2], [3]]), "SHAPE", /expected 2 entries in dimension 1/);
  refused(() => tensor([[1], 2] as never), "SHAPE", /received an element/);
  refused(() => tensor([1, [2]] as never), "SHAPE", /equal depth/);
  refused(() => tensor(["1"] as never), "BAD_INPUT", /received "1" of type string/);
  refused(() => tensor([1, true] as never), "BAD_INPUT", /elements of one kind/);
  refused(() => tensor(undefined as never), "BAD_INPUT", /received undefined/);
  refused(() => tensor([1], { dtype: "float" as never }), "BAD_INPUT", /one of uint8/);
  refused(() => tensor([300], { dtype: "uint8" }), "BAD_INPUT", /from 0 to 255/);
  refused(() => tensor([0.5], { dtype: "int32" }), "BAD_INPUT", /received 0.5/);
  refused(() => tensor([2n ** 64n], { dtype: "int64" }), "BAD_INPUT", /at most 64 bits/);
  refused(() => tensor(new Float32Array(5), { shape: [2, 3] }), "SHAPE", /expected 6 elements/);
  refused(() => tensor(new Float32Array(5), { shape: [-5] }), "BAD_INPUT", /whole numbers/);
  refused(() => tensor([complex(1)], { dtype: "float32" }), "BAD_INPUT", /elements of float32/);
});

test("makers", async (t) => {
  t.deepEqual(await zeros([2]).toArray(), [0, 0]);
  t.deepEqual(await ones([2], { dtype: "int64" }).toArray(), [1, 1]);
  t.deepEqual(await full([2], 2.5).toArray(), [2.5, 2.5]);
  t.is(full([2], 7).dtype, "float32");
  t.deepEqual(await arange(1, 7, 2).toArray(), [1, 3, 5]);
  t.is(arange(0, 3, 1, { dtype: "int64" }).dtype, "int64");
  t.deepEqual(await linspace(0, 1, 3).toArray(), [0, 0.5, 1]);
  t.deepEqual(await eye(2).toArray(), [
    [1, 0],
    [0, 1],
  ]);
  t.deepEqual(empty([2, 3], { dtype: "bfloat16" }).shape, [2, 3]);
  t.true(zeros([1], { requiresGrad: true }).requiresGrad);
  manualSeed(5);
  const first = await randn([4]).data();
  manualSeed(5);
  t.deepEqual(await randn([4]).data(), first);
  const dice = await randint(1, 7, [100]).toArray();
  t.true((dice as number[]).every((side) => side >= 1 && side <= 6 && Number.isInteger(side)));
  t.true(((await rand([100]).toArray()) as number[]).every((value) => value >= 0 && value < 1));
});

test("what a tensor tells of itself", (t) => {
  using x = zeros([2, 3, 4]);
  t.deepEqual(x.strides, [12, 4, 1]);
  t.deepEqual(x.transpose(0, 2).strides, [1, 4, 12]);
  t.is(x.numel, 24);
  t.is(x.ndim, 3);
  t.is(x.device, "cpu");
  t.true(x.isLeaf);
  t.is(x.gradFn, null);
});

test("as() checks and narrows", (t) => {
  using x: Tensor = ones([2]);
  const narrow: Tensor<"float32"> = x.as("float32");
  t.is(narrow, x as never);
  t.throws(() => x.as("int64"), {
    code: "DTYPE",
    message: /a tensor of int64 but received one of float32/,
  });
});

test("to() converts", async (t) => {
  using x = tensor([1.7, -1.7]);
  t.deepEqual(await x.to("int32").data(), Int32Array.of(1, -1));
  t.is(x.to("meta").device, "meta");
  t.throws(() => x.to("nowhere" as never), { instanceOf: TorchsightError });
  t.throws(() => x.to(3 as never), { message: /a dtype or a device for target/ });
});

test("large tensors are read as jobs, views in their own order", async (t) => {
  const size = 300;
  using x = arange(0, size * size).reshape([size, size]);
  const data = await x.T.data();
  t.is(data.length, size * size);
  t.is(data[1], size);
  t.is(data[size], 1);
  const aborted = x.data({ signal: AbortSignal.abort() });
  await t.throwsAsync(aborted, { code: "CANCELLED" });
});

test("reading a tensor of zeros without memory", async (t) => {
  using zero = ops.internal._efficientzerotensor([2]);
  t.deepEqual(await zero.data(), Float32Array.of(0, 0));
});

test("item() wants one element that a number can hold", (t) => {
  t.throws(() => ones([2]).item(), { code: "SHAPE" });
  t.is(ones([1, 1]).item(), 1);
  t.throws(() => tensor([2n ** 60n + 1n]).item(), { message: /beyond Number.MAX_SAFE_INTEGER/ });
});

test("use after disposal is one named error", async (t) => {
  const x = ones([2]);
  x.dispose();
  x.dispose();
  t.true(x.disposed);
  const uses: (() => unknown)[] = [
    () => x.shape,
    () => x.add(1),
    () => ops.add(ones([2]), x),
    () => ops.cat([x]),
    () => x.item(),
    () => x.index(0),
    () => {
      x.requiresGrad = true;
    },
  ];
  for (const use of uses) t.throws(use, { code: "DISPOSED" });
  await t.throwsAsync(x.data(), { code: "DISPOSED" });
  await t.throwsAsync(async () => x.backward(), { code: "DISPOSED" });
});

test("using disposes", (t) => {
  let kept: Tensor;
  {
    using x = ones([2]);
    kept = x;
    t.false(kept.disposed);
  }
  t.true(kept.disposed);
});

test("in-place and out variants give back what they were given", async (t) => {
  using x = tensor([1, -2]);
  t.is(ops.relu_(x), x);
  using out = zeros([2]);
  const before = native().tensorCounters().tensors;
  t.is(ops.add(x, x, { out }), out);
  t.is(native().tensorCounters().tensors, before);
  t.deepEqual(await out.toArray(), [2, 0]);
  using values = empty([0]);
  using places = empty([0], { dtype: "int64" });
  const [most, where] = ops.max(x, 0, { max: values, max_values: places });
  t.is(most, values);
  t.is(where, places);
});

test("tensors that nobody holds are collected", async (t) => {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  const settle = async () => {
    for (let round = 0; round < 5; round += 1) {
      collect();
      await turn();
    }
    return native().tensorCounters();
  };
  const before = await settle();
  for (let made = 0; made < 10000; made += 1) ones([16]);
  t.true(native().tensorCounters().tensors >= before.tensors);
  const after = await settle();
  t.is(after.tensors, before.tensors);
  t.is(after.bytes, before.bytes);
});
