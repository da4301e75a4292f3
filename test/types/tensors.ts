/**
 * What must compile and what must not. `tsc` is the test: an `@ts-expect-error` without an error is
 * one.
 */

import { arange, float, type Job, ops, slice, type Tensor, tensor, tidy, zeros } from "torchsight";
import { expectTypeOf } from "./expect.js";

const f32 = tensor([[1, 2]]);
const f64 = tensor([1], { dtype: "float64" });
const i32 = tensor(new Int32Array(2));
const flags = tensor([true, false]);

// The dtype of a tensor follows from what it is made of.
expectTypeOf<Tensor<"float32">>()(f32);
expectTypeOf<Tensor<"float64">>()(f64);
expectTypeOf<Tensor<"int32">>()(i32);
expectTypeOf<Tensor<"int64">>()(tensor(1n));
expectTypeOf<Tensor<"bool">>()(flags);
expectTypeOf<Tensor<"complex64">>()(tensor({ re: 1, im: 2 }));
expectTypeOf<Tensor<"float32">>()(zeros([2]));
expectTypeOf<Tensor<"bfloat16">>()(zeros([2], { dtype: "bfloat16" }));
expectTypeOf<Tensor<"float32">>()(arange(0, 3));
// @ts-expect-error there is no such dtype
tensor([1], { dtype: "float31" });
// @ts-expect-error strings are no elements
tensor(["1"]);
// @ts-expect-error kinds may not be mixed without a dtype
tensor([1, true]);

// A tensor of a known dtype is a tensor; a tensor of any dtype is none of a known one.
const any: Tensor = f32;
// @ts-expect-error wrong dtype
const wrong: Tensor<"float64"> = f32;
// @ts-expect-error unknown dtype
const unknown: Tensor<"float32"> = any;
expectTypeOf<Tensor<"float32">>()(any.as("float32"));
expectTypeOf<Tensor<"int64">>()(any.to("int64"));
expectTypeOf<Tensor<"float64">>()(f64.to("cuda:0"));

// Elements.
expectTypeOf<Promise<Float32Array>>()(f32.data());
expectTypeOf<Promise<BigInt64Array>>()(f32.to("int64").data());
expectTypeOf<number>()(f32.item());
expectTypeOf<boolean>()(flags.item());
expectTypeOf<{ readonly re: number; readonly im: number }>()(tensor({ re: 1, im: 2 }).item());

// Promotion.
expectTypeOf<Tensor<"float64">>()(f32.add(f64));
expectTypeOf<Tensor<"float32">>()(f32.add(i32));
expectTypeOf<Tensor<"float32">>()(f32.mul(2));
expectTypeOf<Tensor<"int32">>()(i32.mul(flags));
expectTypeOf<Tensor<"int32">>()(i32.mul(2n));
expectTypeOf<Tensor<"float32">>()(i32.mul(float(2)));
expectTypeOf<Tensor<"int32" | "float32">>()(i32.mul(2));
expectTypeOf<Tensor<"float32">>()(i32.div(i32));
expectTypeOf<Tensor<"float32">>()(i32.sqrt());
expectTypeOf<Tensor<"int64">>()(i32.sum());
expectTypeOf<Tensor<"bool">>()(i32.gt(f64));
expectTypeOf<Tensor<"int16">>()(
  tensor([1], { dtype: "uint8" }).add(tensor([1], { dtype: "int8" })),
);
expectTypeOf<Tensor<"float32">>()(
  tensor([1], { dtype: "float16" }).add(tensor([1], { dtype: "bfloat16" })),
);
expectTypeOf<Tensor<"complex64">>()(f32.add(tensor({ re: 1, im: 2 })));
// @ts-expect-error the sum is float64
const narrow: Tensor<"float32"> = f32.add(f64);
// @ts-expect-error a number may be whole or not
const whole: Tensor<"int32"> = i32.mul(2);

// Matrix products want equal dtypes.
expectTypeOf<Tensor<"float32">>()(f32.matmul(f32));
// @ts-expect-error float64
f32.matmul(f64);
// @ts-expect-error float64
ops.matmul(f32, f64);
// @ts-expect-error a number is no matrix
ops.mm(f32, 2);

// Generated operators.
expectTypeOf<[Tensor, Tensor]>()(ops.topk(f32, 1));
expectTypeOf<Tensor[]>()(ops.split(f32, 1));
expectTypeOf<Tensor>()(ops.conv2d(f32, f32, { stride: 2, padding: [1, 1] }));
expectTypeOf<Tensor>()(ops.conv2d(f32, f32, null, 2));
expectTypeOf<Tensor>()(ops.internal._softmax(f32, 1, false));
// @ts-expect-error there is no such option
ops.conv2d(f32, f32, { strides: 2 });
// @ts-expect-error a string is no tensor
ops.conv2d("x", f32);
// @ts-expect-error keyword-only
ops.add(f32, f32, 2);
// @ts-expect-error one tensor too many
ops.abs(f32, f32);
// @ts-expect-error private operators are under ops.internal
ops._softmax(f32, 1, false);
// @ts-expect-error direct calls have no signal
ops.abs(f32, { signal: AbortSignal.abort() });

// Jobs.
expectTypeOf<Job<Tensor<"float32">>>()(ops.job.matmul(f32, f32));
expectTypeOf<Job<Tensor<"float64">>>()(ops.job.add(f32, f64, { alpha: 2, priority: "high" }));
expectTypeOf<Job<[values: Tensor, indices: Tensor] & Disposable>>()(
  ops.job.max(f32, 1, { deadline: 10 }),
);
// @ts-expect-error no such priority
ops.job.abs(f32, { priority: "urgent" });

// Indexing.
expectTypeOf<Tensor<"float32">>()(f32.index(0, "1:", null, "...", slice(1), flags, [0, 1]));
// @ts-expect-error no such index
f32.index("a:b");
// @ts-expect-error no such index
f32.index({});

// Scopes.
expectTypeOf<Tensor<"float32">>()(tidy(() => f32));
expectTypeOf<Promise<Tensor<"float32">>>()(tidy(async () => f32));

export { narrow, unknown, whole, wrong };
