/** Types of the native methods, whose schemas are in native/models/t5/t5.cc. */
import type { Tensor } from "../../core/tensor.js";

/** Transformers' names throughout, so that its scripts can be followed. */
export interface T5Methods {
  encode: {
    inputs: {
      /** int64 [B, N] */
      input_ids: Tensor;
      /** 0 at padding, [B, N]. */
      attention_mask?: Tensor | undefined;
    };
    /** [B, N, d]; what stands at padding means nothing. */
    outputs: { last_hidden_state: Tensor };
    args: object;
    item: object;
  };
}
