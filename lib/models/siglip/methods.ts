/** Types of the native methods, whose schemas are in native/models/siglip/methods.cc. */
import type { Tensor } from "../../core/tensor.js";

/** B pictures: of one size, or as patches in grids of any shape (NaFlex). */
export interface PictureInputs {
  /** float32 [B, 3, H, W], or patches [B, N, 3 p p], normalised. */
  pixel_values: Tensor;
  /** NaFlex: 0 at padding, [B, N]. */
  pixel_attention_mask?: Tensor | undefined;
  /** NaFlex: rows and columns of patches, int64 [B, 2]. */
  spatial_shapes?: Tensor | undefined;
}

/** T texts. */
export interface TextInputs {
  /** int64 [T, L], padded to the length that the model was trained with. */
  input_ids: Tensor;
  /** 0 at tokens that are not seen, [T, L]. */
  attention_mask?: Tensor | undefined;
}

/** How pictures of other sizes than the model's are taken. */
export interface SizeArgs {
  /** Resizes the positions (bicubic), as in transformers. */
  interpolate_pos_encoding?: boolean | undefined;
}

interface EncodedTokens {
  /** [B, N, d] or [T, L, d] */
  last_hidden_state: Tensor;
}

/** Both towers; transformers' names throughout, so that its scripts can be followed. */
export interface SiglipMethods {
  encode_image: {
    inputs: PictureInputs;
    /** Embeddings are `pooler_output` at unit length: [B, E]. */
    outputs: EncodedTokens & { pooler_output: Tensor; image_embeds: Tensor };
    args: SizeArgs;
    item: object;
  };
  encode_text: {
    inputs: TextInputs;
    outputs: EncodedTokens & { pooler_output: Tensor; text_embeds: Tensor };
    args: object;
    item: object;
  };
  similarity: {
    /** Of each side the inputs of its tower, or its embeddings. */
    inputs: Partial<PictureInputs> &
      Partial<TextInputs> & { image_embeds?: Tensor | undefined; text_embeds?: Tensor | undefined };
    /** Logits [B, T] and [T, B], whose sigmoid is a probability. */
    outputs: {
      logits_per_image: Tensor;
      logits_per_text: Tensor;
      image_embeds: Tensor;
      text_embeds: Tensor;
    };
    args: SizeArgs;
    item: object;
  };
}

/** One tower by itself. */
export interface SiglipTowerMethods {
  encode: {
    inputs: PictureInputs | TextInputs;
    outputs: EncodedTokens & { pooler_output?: Tensor };
    args: SizeArgs;
    item: object;
  };
}
