export { type BackwardOptions, backward, grad, type GradOptions } from "./core/autograd.js";
export {
  arange,
  type DataOptions,
  type DTypeOfArray,
  empty,
  eye,
  full,
  linspace,
  manualSeed,
  type NestedData,
  ones,
  rand,
  randint,
  randn,
  tensor,
  type TensorArray,
  type TensorOptions,
  zeros,
} from "./core/create.js";
export type { Complex, DataTypeMap, DType, ItemOf, TypedArrayOf } from "./core/dtype.js";
export { type ErrorCode, TorchsightError, type TorchsightErrorOptions } from "./core/errors.js";
export { type Index, Slice, slice, type SliceText } from "./core/indexing.js";
export { Job, type JobControl, type JobState, type JobStats, type Progress } from "./core/job.js";
export { type LaneCounters, type LaneLimits, lanes } from "./core/lanes.js";
export { type JobOps, type Ops, ops } from "./core/ops.js";
export type { Arithmetic, Operand } from "./core/ops-typed.js";
export type { Device } from "./core/ops-types.js";
export type { FloatOf, Promote, PromoteScalar, RealOf, SumOf } from "./core/promotion.js";
export type { Nested } from "./core/read.js";
export { complex, float, type FloatScalar, type Scalar } from "./core/scalar.js";
export { type Disposable, enableGrad, gradEnabled, keep, noGrad, tidy } from "./core/scope.js";
export { Tensor } from "./core/tensor.js";
