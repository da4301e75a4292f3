import { readFileSync } from "node:fs";
import test from "ava";
import { type DType, ops, type Tensor, tensor } from "torchsight";
import { native } from "../../dist/core/runtime.js";
import { declarations } from "../../scripts/ops-declarations.js";

const file = new URL("../../lib/core/ops.generated.ts", import.meta.url);
const text = readFileSync(file, "utf8");
const pinned = /libtorch (\d+\.\d+\.\d+)/.exec(text)?.[1];
const here = native().versions().libtorch;
// Other platforms and versions register other operators.
const comparable = here === pinned && process.platform === "linux" && process.arch === "x64";

(comparable ? test : test.skip)("the declarations are those of the pinned libtorch", (t) => {
  const names = native().operatorNames();
  const schemas = new Map(names.map((name) => [name, native().overloads(name)] as const));
  t.true(declarations(schemas, here) === text, "run scripts/generate-ops.ts again");
});

test("every operator can be reached", (t) => {
  const table = ops as unknown as Record<string, unknown> & { internal: Record<string, unknown> };
  for (const full of native().operatorNames()) {
    const [namespace, name] = full.split("::") as [string, string];
    const at =
      namespace === "aten"
        ? (name.startsWith("_") ? table.internal : table)[name]
        : (table[namespace] as Record<string, unknown>)[name];
    t.is(typeof at, "function", full);
  }
  t.is(table.no_such_operator, undefined);
  t.is(table._softmax, undefined);
  t.is(table.aten, undefined);
  t.is(table.then, undefined);
});

test("arguments may be given by position, by name and by default", async (t) => {
  const x = tensor([
    [1, 2, 3],
    [4, 5, 6],
  ]);
  const sums: Tensor[] = [
    ops.sum(x, [0], true),
    ops.sum(x, 0, true),
    ops.sum(x, 0, { keepdim: true } as never),
    ops.internal._foreach_add([ops.sum(x, [0], true)], 0)[0]!,
  ];
  for (const sum of sums) t.deepEqual(await sum.toArray(), [[5, 7, 9]]);
  const image = tensor([
    [
      [
        [1, 2],
        [3, 4],
      ],
    ],
  ]);
  const kernel = tensor([[[[1]]]]);
  t.deepEqual(ops.conv2d(image, kernel, { padding: 1, stride: 2 }).shape, [1, 1, 2, 2]);
  t.deepEqual(ops.conv2d(image, kernel, undefined, undefined, 1).shape, [1, 1, 4, 4]);
});

test("values cross by their schema types", (t) => {
  const x = tensor([
    [1, 2],
    [3, 4],
  ]);
  t.is(ops.to(x, { dtype: "int16" }).dtype, "int16" as DType);
  t.is(ops.zeros([1], { device: "meta", layout: "strided" }).device, "meta");
  const wide = ops.to(tensor([[[[1, 2]]]]), { memory_format: "channels_last" });
  t.true(ops.is_same_size(x, x));
  t.is(wide.ndim, 4);
  t.is(ops.equal(x, x), true);
  t.is(ops.size(x, 0), 2);
  t.is(ops.promote_types("int32", "float16"), "float16");
  t.is(ops.result_type(x, 1), "float32");
  t.deepEqual(ops.split(x, 1).length, 2);
  t.is(ops.item(tensor(2.5)), 2.5);
  t.deepEqual(ops.item(tensor({ re: 1, im: 2 })), { re: 1, im: 2 });
  t.is(ops.add(tensor([2n ** 60n]), 2n ** 60n + 1n).dtype, "int64");
});

test("what fits no overload is told with all of them", (t) => {
  const x = tensor([1]);
  const call = ops as unknown as Record<string, (...args: unknown[]) => unknown>;
  const refused = (run: () => unknown, ...parts: RegExp[]) => {
    const error = t.throws(run, { code: "BAD_INPUT" });
    for (const part of parts) t.regex(error?.message ?? "", part);
  };
  refused(
    () => call.add!(x, "2"),
    /for aten::add but received \(a float32 tensor of shape \[1\], "2" of type string\)/,
    /\n {2}aten::add\.Tensor\(Tensor self, Tensor other, \*, Scalar alpha=1\) -> Tensor/,
    /\n {2}aten::add\.out\(.*Tensor! out\) -> Tensor!/,
  );
  refused(() => call.sum!(x, { keepdims: true }), /keepdims: true of type boolean/);
  refused(() => call.sum!(x, 0.5), /0.5 of type number/);
  refused(() => call.abs!(), /received \(\)/);
  refused(() => call.add!(x, x, { self: x }), /self: a float32 tensor/);
});
