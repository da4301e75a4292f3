import type { LAYOUTS, MEMORY_FORMATS } from "./argument.js";
import type { DType } from "./dtype.js";
import type { Job, JobControl } from "./job.js";

/**
 * The words that `ops.generated.ts` is written in.
 */

export type { Complex, DType } from "./dtype.js";
export type { Scalar } from "./scalar.js";
export type { Tensor } from "./tensor.js";

/** Whether operators run at once or as jobs. */
export type Face = "direct" | "job";

/** What an operator of that face returns. Several results of a job are disposable as a whole. */
export type R<M extends Face, T> = M extends "job"
  ? Job<T extends readonly unknown[] ? T & Disposable : T>
  : T;

/** No options at all. */
export interface None {
  readonly [name: string]: never;
}

/** The trailing options of an operator of that face. */
export type O<M extends Face, T = None> = M extends "job"
  ? T extends None
    ? JobControl
    : T & JobControl
  : T;

/** An integer. A bigint where 53 bits are not enough. */
export type Int = number | bigint;

/** A list. */
export type List<T> = readonly T[];

/** A list of known length, or one value for all places. */
export type Each<T> = T | readonly T[];

export type Layout = (typeof LAYOUTS)[number];
export type MemoryFormat = (typeof MEMORY_FORMATS)[number];

/** A device: `cpu`, `cuda`, `cuda:1`, `mps`, `meta`. */
export type Device = "cpu" | "cuda" | "mps" | "meta" | `cuda:${number}`;

/** Stands for values of libtorch that have no counterpart in JavaScript. */
export type Unsupported = never;

/** A dtype where any is meant. */
export type AnyDType = DType;
