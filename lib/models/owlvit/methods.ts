/** Types of the native methods, whose schemas are in native/models/owlvit/methods.cc. */
import type { Tensor } from "../../core/tensor.js";
import type { ImageTensors } from "./embeddings.js";

/** How pictures of other sizes than the model's are taken. */
export interface SizeArgs {
  /** Resizes the positions (bicubic), as in transformers. */
  interpolate_pos_encoding?: boolean | undefined;
  /** Uses the top left of the positions, as in scenic. For smaller pictures. */
  truncate_pos_encoding?: boolean | undefined;
}

/** Picture by picture what {@link ImageTensors} holds for one: the batch B stands first. */
interface Pictures {
  /** float32 [B, 3, H, W], normalised. */
  pixel_values: Tensor;
}

interface Texts {
  /** Token ids, int64 [N, L]. */
  input_ids: Tensor;
  /** 0 at padding, [N, L]. Needed only where padding does not follow the end of a text. */
  attention_mask?: Tensor | undefined;
}

/** transformers' names throughout, so that its scripts can be followed. */
export interface OwlViTMethods {
  detect: {
    inputs: Pictures & Texts;
    outputs: {
      logits: Tensor;
      pred_boxes: Tensor;
      image_embeds: Tensor;
      text_embeds: Tensor;
      class_embeds: Tensor;
      objectness_logits?: Tensor;
    };
    args: SizeArgs;
    item: object;
  };
  detect_image_guided: {
    inputs: Pictures & { query_pixel_values: Tensor };
    outputs: {
      logits: Tensor;
      target_pred_boxes: Tensor;
      query_pred_boxes: Tensor;
      image_embeds: Tensor;
      query_image_embeds: Tensor;
      class_embeds: Tensor;
    };
    args: SizeArgs;
    item: object;
  };
  embed_image: { inputs: Pictures; outputs: ImageTensors; args: SizeArgs; item: object };
  embed_text: { inputs: Texts; outputs: { text_embeds: Tensor }; args: object; item: object };
  query: {
    inputs: Pick<ImageTensors, "class_embeds" | "logit_shift" | "logit_scale"> & {
      /** [B, Q, E] */
      query_embeds: Tensor;
      /** bool [B, Q], false at padding. */
      query_mask?: Tensor | undefined;
    };
    outputs: { logits: Tensor };
    args: object;
    item: object;
  };
  select_query: {
    inputs: Pick<ImageTensors, "class_embeds" | "pred_boxes" | "objectness_logits"> & {
      /** Corners in the frame of the boxes, [B, 4]. */
      query_boxes?: Tensor | undefined;
    };
    outputs: { query_embeds: Tensor; query_indices: Tensor };
    args: { strategy?: "dissimilar" | "objectness" | undefined };
    item: object;
  };
}
