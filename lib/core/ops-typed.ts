import type { DType } from "./dtype.js";
import type { Each, Face, Int, List, O, R } from "./ops-types.js";
import type { FloatOf, Promote, PromoteScalar, RealOf, SumOf } from "./promotion.js";
import type { Scalar } from "./scalar.js";
import type { Tensor } from "./tensor.js";

/** A tensor or a scalar, where operators take both. */
export type Operand = Tensor | Scalar;

/** The dtype of an arithmetic result of a tensor and an operand. */
export type Arithmetic<A extends DType, B> =
  B extends Tensor<infer D> ? Promote<A, D> : PromoteScalar<A, B>;

type Alpha = { alpha?: Scalar };
type As<D extends DType> = { dtype: D };

/** Element by element, of one tensor: keeps the dtype. */
type Keep<M extends Face> = <D extends DType>(self: Tensor<D>, options?: O<M>) => R<M, Tensor<D>>;

/** Element by element, of one tensor: floating point even of integers. */
type Float<M extends Face> = <D extends DType>(
  self: Tensor<D>,
  options?: O<M>,
) => R<M, Tensor<FloatOf<D>>>;

/** Element by element, of two: promotes. */
type Binary<M extends Face, Named = Record<never, never>> = <D extends DType, B extends Operand>(
  self: Tensor<D>,
  other: B,
  options?: O<M, Named>,
) => R<M, Tensor<Arithmetic<D, B>>>;

/** Compares element by element. */
type Compare<M extends Face> = (
  self: Tensor,
  other: Operand,
  options?: O<M>,
) => R<M, Tensor<"bool">>;

/** Matrix products take equal dtypes. */
type Product<M extends Face> = <D extends DType>(
  self: Tensor<D>,
  other: Tensor<NoInfer<D>>,
  options?: O<M>,
) => R<M, Tensor<D>>;

/** Sums and products over dimensions. */
interface Reduce<M extends Face> {
  <D extends DType>(self: Tensor<D>, options?: O<M>): R<M, Tensor<SumOf<D>>>;
  <E extends DType>(self: Tensor, options: O<M, As<E>>): R<M, Tensor<E>>;
  <D extends DType>(
    self: Tensor<D>,
    dim: Each<Int> | null,
    keepdim?: boolean,
    options?: O<M>,
  ): R<M, Tensor<SumOf<D>>>;
}

/** The operators whose result dtype follows from those of the arguments. */
export interface TypedOps<M extends Face> {
  add: Binary<M, Alpha>;
  sub: Binary<M, Alpha>;
  mul: Binary<M>;
  remainder: Binary<M>;
  maximum: Binary<M>;
  minimum: Binary<M>;

  /** True division: floating point even of integers. */
  div<D extends DType, B extends Operand>(
    self: Tensor<D>,
    other: B,
    options?: O<M>,
  ): R<M, Tensor<FloatOf<Arithmetic<D, B>>>>;
  pow<D extends DType, B extends Operand>(
    self: Tensor<D>,
    exponent: B,
    options?: O<M>,
  ): R<M, Tensor<Arithmetic<D, B>>>;

  neg: Keep<M>;
  sign: Keep<M>;
  floor: Keep<M>;
  ceil: Keep<M>;
  round: Keep<M>;
  relu: Keep<M>;
  silu: Keep<M>;
  contiguous: Keep<M>;
  clone: Keep<M>;
  detach: Keep<M>;
  t: Keep<M>;
  zeros_like: Keep<M>;
  ones_like: Keep<M>;
  empty_like: Keep<M>;
  abs<D extends DType>(self: Tensor<D>, options?: O<M>): R<M, Tensor<RealOf<D>>>;
  gelu<D extends DType>(
    self: Tensor<D>,
    options?: O<M, { approximate?: "none" | "tanh" }>,
  ): R<M, Tensor<D>>;

  sqrt: Float<M>;
  rsqrt: Float<M>;
  exp: Float<M>;
  log: Float<M>;
  sin: Float<M>;
  cos: Float<M>;
  tanh: Float<M>;
  sigmoid: Float<M>;
  erf: Float<M>;

  eq: Compare<M>;
  ne: Compare<M>;
  lt: Compare<M>;
  le: Compare<M>;
  gt: Compare<M>;
  ge: Compare<M>;
  isnan(self: Tensor, options?: O<M>): R<M, Tensor<"bool">>;
  isfinite(self: Tensor, options?: O<M>): R<M, Tensor<"bool">>;
  logical_not(self: Tensor, options?: O<M>): R<M, Tensor<"bool">>;
  logical_and(self: Tensor, other: Tensor, options?: O<M>): R<M, Tensor<"bool">>;
  logical_or(self: Tensor, other: Tensor, options?: O<M>): R<M, Tensor<"bool">>;

  matmul: Product<M>;
  mm: Product<M>;
  bmm: Product<M>;
  mv: Product<M>;
  dot: Product<M>;
  linear<D extends DType>(
    input: Tensor<D>,
    weight: Tensor<NoInfer<D>>,
    bias?: Tensor<NoInfer<D>> | null,
    options?: O<M>,
  ): R<M, Tensor<D>>;

  sum: Reduce<M>;
  mean<D extends DType>(
    self: Tensor<D>,
    dim?: Each<Int> | null,
    keepdim?: boolean,
    options?: O<M>,
  ): R<M, Tensor<D>>;
  argmax(self: Tensor, dim?: Int | null, keepdim?: boolean, options?: O<M>): R<M, Tensor<"int64">>;
  argmin(self: Tensor, dim?: Int | null, keepdim?: boolean, options?: O<M>): R<M, Tensor<"int64">>;
  softmax<D extends DType>(self: Tensor<D>, dim: Int, options?: O<M>): R<M, Tensor<D>>;
  log_softmax<D extends DType>(self: Tensor<D>, dim: Int, options?: O<M>): R<M, Tensor<D>>;

  reshape<D extends DType>(self: Tensor<D>, shape: List<Int>, options?: O<M>): R<M, Tensor<D>>;
  view<D extends DType>(self: Tensor<D>, size: List<Int>, options?: O<M>): R<M, Tensor<D>>;
  permute<D extends DType>(self: Tensor<D>, dims: List<Int>, options?: O<M>): R<M, Tensor<D>>;
  transpose<D extends DType>(
    self: Tensor<D>,
    dim0: Int,
    dim1: Int,
    options?: O<M>,
  ): R<M, Tensor<D>>;
  squeeze<D extends DType>(self: Tensor<D>, dim?: Each<Int>, options?: O<M>): R<M, Tensor<D>>;
  unsqueeze<D extends DType>(self: Tensor<D>, dim: Int, options?: O<M>): R<M, Tensor<D>>;
  flatten<D extends DType>(
    self: Tensor<D>,
    startDim?: Int,
    endDim?: Int,
    options?: O<M>,
  ): R<M, Tensor<D>>;
  expand<D extends DType>(self: Tensor<D>, size: List<Int>, options?: O<M>): R<M, Tensor<D>>;
  cat<D extends DType>(tensors: List<Tensor<D>>, dim?: Int, options?: O<M>): R<M, Tensor<D>>;
  stack<D extends DType>(tensors: List<Tensor<D>>, dim?: Int, options?: O<M>): R<M, Tensor<D>>;
  where<A extends DType, B extends DType>(
    condition: Tensor<"bool">,
    self: Tensor<A>,
    other: Tensor<B>,
    options?: O<M>,
  ): R<M, Tensor<Promote<A, B>>>;
}
