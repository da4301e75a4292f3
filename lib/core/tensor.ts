import { inspect } from "node:util";
import type { TensorId, TensorInfo } from "../native/addon.js";
import { type BackwardOptions, backward } from "./autograd.js";
import type { DType, ItemOf, TypedArrayOf } from "./dtype.js";
import { checkDType, dtypeOfCode, isDType } from "./dtype.js";
import { invalidArgument, TorchsightError } from "./errors.js";
import { assignAt, type Index, indexBy } from "./indexing.js";
import type { Job, JobControl } from "./job.js";
import { ops } from "./ops.js";
import type { Arithmetic, Operand } from "./ops-typed.js";
import type { Device, Each } from "./ops-types.js";
import { format } from "./print.js";
import type { FloatOf, RealOf, SumOf } from "./promotion.js";
import { type Nested, readArray, readItem, readTyped } from "./read.js";
import { fromNative, native } from "./runtime.js";
import type { Scalar } from "./scalar.js";
import { own } from "./scope.js";

/** Handles of tensors that were collected without being disposed of. */
const collected = new FinalizationRegistry<TensorId>((id) => native().tensorFree(id));

/** Makes a tensor of a new native handle. For the package's own use. */
export let wrapTensor: (id: TensorId) => Tensor;

/**
 * The native handle of a tensor; throws `DISPOSED` after its disposal. For the package's own use.
 */
export let tensorId: (tensor: Tensor) => TensorId;

/**
 * A counted handle on a native tensor, which may be shared by several of them: views, and tensors
 * that operators return unchanged.
 *
 * Its memory is given back by {@link dispose}, by `using`, at the end of a {@link tidy} scope, or
 * when the garbage collector finds it.
 *
 * @example
 * ```ts
 * using x = tensor([[1, 2], [3, 4]]);
 * console.log(x.matmul(x.T)); // tensor([[ 5., 11.],
 *                             //         [11., 25.]])
 * ```
 */
export class Tensor<D extends DType = DType> {
  /** 0 once disposed of. */
  #id: TensorId;
  #dtype: DType | undefined;

  private constructor(id: TensorId) {
    this.#id = id;
    collected.register(this, id);
    own(this);
  }

  static {
    wrapTensor = (id) => new Tensor(id);
    tensorId = (tensor) => tensor.#id || tensor.#refuse();
  }

  #refuse(): never {
    throw new TorchsightError("DISPOSED", "the tensor was used after it had been disposed of");
  }

  get #info(): TensorInfo {
    return native().tensorInfo(tensorId(this));
  }

  /** The element type. */
  get dtype(): D {
    this.#dtype ??= dtypeOfCode(this.#info.dtype);
    return this.#dtype as D;
  }

  /** Sizes of the dimensions. */
  get shape(): number[] {
    return this.#info.shape;
  }

  /** Elements between neighbours along each dimension. */
  get strides(): number[] {
    return this.#info.strides;
  }

  /** Where the elements are: `cpu`, `cuda:0`, `meta`, … */
  get device(): string {
    return this.#info.device;
  }

  /** Number of dimensions. */
  get ndim(): number {
    return this.#info.shape.length;
  }

  /** Number of elements. */
  get numel(): number {
    return this.#info.shape.reduce((product, size) => product * size, 1);
  }

  /** Whether operators on this tensor record gradients. May be set on leaves. */
  get requiresGrad(): boolean {
    return this.#info.requiresGrad;
  }

  set requiresGrad(value: boolean) {
    try {
      native().tensorSetRequiresGrad(tensorId(this), value);
    } catch (error) {
      throw fromNative(error);
    }
  }

  /** Whether this tensor was made by the user rather than by an operator that records gradients. */
  get isLeaf(): boolean {
    return this.#info.isLeaf;
  }

  /** The name of the operator that a gradient passes through first, e.g. `AddBackward0`. */
  get gradFn(): string | null {
    return this.#info.gradFn;
  }

  /** The gradient that `backward` gathered. Set it to null before the next step. */
  get grad(): Tensor<D> | null {
    const id = native().tensorGrad(tensorId(this));
    return id === null ? null : (wrapTensor(id) as Tensor<D>);
  }

  set grad(value: Tensor | null) {
    try {
      native().tensorSetGrad(tensorId(this), value === null ? null : tensorId(value));
    } catch (error) {
      throw fromNative(error);
    }
  }

  /** Whether {@link dispose} was called. */
  get disposed(): boolean {
    return this.#id === 0;
  }

  /** Gives the memory back, unless other tensors share it. Doing so twice is harmless. */
  dispose(): void {
    if (this.#id === 0) return;
    native().tensorFree(this.#id);
    this.#id = 0;
  }

  /** As {@link dispose}, for `using`. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  /**
   * This tensor, typed as of `dtype`. Generated operators return tensors of any dtype; this checks
   * and narrows. Throws `DTYPE` if it is of another.
   */
  as<E extends DType>(dtype: E): Tensor<E> {
    if (this.dtype === (checkDType(dtype) as DType)) return this as unknown as Tensor<E>;
    throw new TorchsightError(
      "DTYPE",
      `expected a tensor of ${dtype} but received one of ${this.dtype}`,
    );
  }

  /** A tensor of another dtype or on another device; one that shares memory if nothing changes. */
  to<E extends DType>(dtype: E): Tensor<E>;
  to(device: Device): Tensor<D>;
  to(target: DType | Device): Tensor {
    if (typeof target !== "string") throw invalidArgument("target", "a dtype or a device", target);
    return ops.to(this, isDType(target) ? { dtype: target } : { device: target });
  }

  /** The only element. Throws `SHAPE` if there are more. */
  item(): ItemOf<D> {
    return readItem(this);
  }

  /** The elements in row-major order. Large tensors are read off the event loop. */
  data(control?: JobControl): Promise<TypedArrayOf<D>> {
    return readTyped(this, control);
  }

  /** The elements as nested arrays, one level for each dimension. */
  toArray(control?: JobControl): Promise<Nested<ItemOf<D>>> {
    return readArray(this, control);
  }

  /**
   * A part of this tensor. Each index is for one dimension: a number selects, {@link slice} or its
   * text form (`"1:3"`, `"::2"`, `":"`) keeps a range, `null` adds a dimension, `"..."` stands for
   * all dimensions not named, and tensors, arrays or masks gather.
   *
   * All but gathering gives a view on the same memory.
   *
   * @example
   * ```ts
   * x.index(0); // first row
   * x.index("...", -1); // last column
   * x.index(x.gt(0)); // elements above 0
   * ```
   */
  index(...indices: Index[]): Tensor<D> {
    return indexBy(this, indices);
  }

  /** Writes `value` to the part that {@link index} would give, and returns this tensor. */
  set(indices: readonly Index[], value: Tensor | Scalar): this {
    assignAt(this, indices, value);
    return this;
  }

  /** Sum of this tensor and `other`, element by element. */
  add<B extends Operand>(other: B): Tensor<Arithmetic<D, B>> {
    return ops.add(this, other);
  }

  sub<B extends Operand>(other: B): Tensor<Arithmetic<D, B>> {
    return ops.sub(this, other);
  }

  mul<B extends Operand>(other: B): Tensor<Arithmetic<D, B>> {
    return ops.mul(this, other);
  }

  /** True division: floating point even of integers. */
  div<B extends Operand>(other: B): Tensor<FloatOf<Arithmetic<D, B>>> {
    return ops.div(this, other);
  }

  pow<B extends Operand>(exponent: B): Tensor<Arithmetic<D, B>> {
    return ops.pow(this, exponent);
  }

  neg(): Tensor<D> {
    return ops.neg(this);
  }

  abs(): Tensor<RealOf<D>> {
    return ops.abs(this);
  }

  sqrt(): Tensor<FloatOf<D>> {
    return ops.sqrt(this);
  }

  exp(): Tensor<FloatOf<D>> {
    return ops.exp(this);
  }

  log(): Tensor<FloatOf<D>> {
    return ops.log(this);
  }

  tanh(): Tensor<FloatOf<D>> {
    return ops.tanh(this);
  }

  sigmoid(): Tensor<FloatOf<D>> {
    return ops.sigmoid(this);
  }

  relu(): Tensor<D> {
    return ops.relu(this);
  }

  eq(other: Operand): Tensor<"bool"> {
    return ops.eq(this, other);
  }

  ne(other: Operand): Tensor<"bool"> {
    return ops.ne(this, other);
  }

  lt(other: Operand): Tensor<"bool"> {
    return ops.lt(this, other);
  }

  le(other: Operand): Tensor<"bool"> {
    return ops.le(this, other);
  }

  gt(other: Operand): Tensor<"bool"> {
    return ops.gt(this, other);
  }

  ge(other: Operand): Tensor<"bool"> {
    return ops.ge(this, other);
  }

  /** Matrix product over the last two dimensions, the others broadcast. Takes equal dtypes. */
  matmul(other: Tensor<NoInfer<D>>): Tensor<D> {
    return ops.matmul(this as Tensor<D>, other);
  }

  /** Product of two matrices. Takes equal dtypes. */
  mm(other: Tensor<NoInfer<D>>): Tensor<D> {
    return ops.mm(this as Tensor<D>, other);
  }

  /** Sum over `dim`, or over everything; integers are summed in int64. */
  sum(dim: Each<number> | null = null, keepdim = false): Tensor<SumOf<D>> {
    return dim === null && !keepdim ? ops.sum(this) : ops.sum(this, dim, keepdim);
  }

  /** Mean over `dim`, or over everything. */
  mean(dim: Each<number> | null = null, keepdim = false): Tensor<D> {
    return dim === null && !keepdim ? ops.mean(this) : ops.mean(this, dim, keepdim);
  }

  /** The largest element. `ops.max(x, dim)` gives those along a dimension, with their places. */
  max(): Tensor<D> {
    return ops.max(this) as Tensor<D>;
  }

  min(): Tensor<D> {
    return ops.min(this) as Tensor<D>;
  }

  argmax(dim: number | null = null, keepdim = false): Tensor<"int64"> {
    return ops.argmax(this, dim, keepdim);
  }

  argmin(dim: number | null = null, keepdim = false): Tensor<"int64"> {
    return ops.argmin(this, dim, keepdim);
  }

  softmax(dim: number): Tensor<D> {
    return ops.softmax(this, dim);
  }

  /** The same elements in another shape; one size may be -1. A view where that is possible. */
  reshape(shape: readonly number[]): Tensor<D> {
    return ops.reshape(this, shape);
  }

  /** The same memory in another shape; throws where the strides do not allow it. */
  view(shape: readonly number[]): Tensor<D> {
    return ops.view(this, shape);
  }

  permute(dims: readonly number[]): Tensor<D> {
    return ops.permute(this, dims);
  }

  transpose(dim0: number, dim1: number): Tensor<D> {
    return ops.transpose(this, dim0, dim1);
  }

  /** A matrix with its dimensions swapped. */
  get T(): Tensor<D> {
    return ops.t(this);
  }

  squeeze(dim?: Each<number>): Tensor<D> {
    return dim === undefined ? ops.squeeze(this) : ops.squeeze(this, dim);
  }

  unsqueeze(dim: number): Tensor<D> {
    return ops.unsqueeze(this, dim);
  }

  flatten(startDim = 0, endDim = -1): Tensor<D> {
    return ops.flatten(this, startDim, endDim);
  }

  expand(shape: readonly number[]): Tensor<D> {
    return ops.expand(this, shape);
  }

  /** This tensor if its elements lie in row-major order, else a copy whose elements do. */
  contiguous(): Tensor<D> {
    return ops.contiguous(this);
  }

  /** A copy. */
  clone(): Tensor<D> {
    return ops.clone(this);
  }

  /** The same memory, outside of the gradients' record. */
  detach(): Tensor<D> {
    return ops.detach(this);
  }

  /** Gradients of this scalar with respect to the leaves it was made of; see {@link backward}. */
  backward(options?: BackwardOptions): Job {
    return backward(this, options);
  }

  /** As PyTorch prints it. Reads the elements that are shown at once, from any device. */
  toString(): string {
    return this.disposed ? "tensor(disposed)" : format(this);
  }

  [inspect.custom](): string {
    return this.toString();
  }
}
