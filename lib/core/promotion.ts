import type { DType } from "./dtype.js";

/**
 * libtorch's type promotion between tensors that have dimensions. A tensor without dimensions does
 * not widen one that has some within a category; `as()` checks where that matters.
 */
interface Promotions {
  bool: { [D in DType]: D };
  uint8: Row<"uint8", { int8: "int16" }, "int16" | "int32" | "int64">;
  int8: Row<"int8", { uint8: "int16" }, "int16" | "int32" | "int64">;
  int16: Row<"int16", unknown, "int32" | "int64">;
  int32: Row<"int32", unknown, "int64">;
  int64: Row<"int64", unknown, never>;
  float16: Row<"float16", { bfloat16: "float32" }, "float32" | "float64">;
  bfloat16: Row<"bfloat16", { float16: "float32" }, "float32" | "float64">;
  float32: Row<"float32", unknown, "float64">;
  float64: Row<"float64", unknown, never>;
  complex64: { [D in Exclude<DType, "float64">]: "complex64" } & { float64: never };
}

type Floating = "float16" | "bfloat16" | "float32" | "float64";
type Integral = "uint8" | "int8" | "int16" | "int32" | "int64";

/** What `Self` becomes beside each dtype: `Special` cases first, those it yields to, or itself. */
type Row<Self extends DType, Special, Yields extends DType> = {
  [D in DType]: D extends keyof Special
    ? Special[D]
    : D extends Yields
      ? D
      : Self extends Integral
        ? D extends Floating | "complex64"
          ? D
          : Self
        : D extends "complex64"
          ? Self extends "float64"
            ? never
            : D
          : Self;
};

/** The dtype of an arithmetic result of two tensors. */
export type Promote<A extends DType, B extends DType> = Extract<Promotions[A][B], DType>;

/** The dtype of a result with a scalar. JavaScript's numbers may be whole or not. */
export type PromoteScalar<D extends DType, S> = D extends Floating | "complex64"
  ? S extends { readonly im: number }
    ? "complex64"
    : D
  : S extends bigint
    ? IntegerOf<D>
    : S extends boolean
      ? D
      : S extends { readonly float: number }
        ? "float32"
        : S extends { readonly im: number }
          ? "complex64"
          : IntegerOf<D> | "float32";

type IntegerOf<D extends DType> = D extends "bool" ? "int64" : D;

/** The dtype of a result that is floating point even of integers: `sqrt`, `div`, `mean`. */
export type FloatOf<D extends DType> = D extends Integral | "bool" ? "float32" : D;

/** The dtype of a sum: integers are summed in int64. */
export type SumOf<D extends DType> = D extends Integral | "bool" ? "int64" : D;

/** The dtype of real parts: that of `abs`. */
export type RealOf<D extends DType> = D extends "complex64" ? "float32" : D;
