/** What `preprocessor_config.json` says of how pictures are prepared. */
import {
  badField,
  type Field,
  type FieldSpec,
  flag,
  objectOf,
  oneOf,
  parseFields,
} from "../../core/config.js";
import { invalidArgument } from "../../core/errors.js";
import { type PixelFields, pixelFields, refuseCrop } from "../../media/processor_fields.js";

/**
 * How a picture is brought to the model's size:
 *
 * - `hf`: squashed, without regard to its aspect ratio, by a filter of Pillow; OWL-ViT's way in
 *   transformers.
 * - `pad`: padded to a square at the bottom and right, then resized; the way of scenic's inference
 *   and of OWLv2.
 * - `scenic-eval`: resized linearly without widening the filter, aspect ratio kept, then padded at
 *   the bottom and right; the way of scenic's evaluation.
 */
export type Protocol = "hf" | "pad" | "scenic-eval";

/**
 * How `pad` resizes: `skimage`, the reference, or `hf-fast`, the shorter blur of transformers'
 * processor on torchvision.
 */
export type ResizeRule = "skimage" | "hf-fast";

const PROTOCOLS: readonly Protocol[] = ["hf", "pad", "scenic-eval"];
const RESIZE_RULES: readonly ResizeRule[] = ["skimage", "hf-fast"];

/**
 * The fields of `preprocessor_config.json`, complete; written as it is, the file can be read by
 * transformers, which ignores the last three. {@link parseProcessor} makes one.
 */
export interface Processor extends PixelFields {
  image_processor_type: "OwlViTImageProcessor" | "Owlv2ImageProcessor";
  /** Whether `pad` pads; other protocols do not ask. */
  do_pad: boolean;
  protocol: Protocol;
  /** What is padded with, as a rescaled value: 0 is black, 0.5 grey. */
  pad_value: number;
  resize_rule: ResizeRule;
}

/** What of a processor can be chosen for one call. */
export interface ProcessingOptions {
  /** Default: the processor's. */
  protocol?: Protocol | undefined;
  /** Default: the processor's, or that of the protocol where another one is chosen. */
  padValue?: number | undefined;
  /** Default: the processor's. */
  resize?: ResizeRule | undefined;
}

/** What a model says of its pictures. */
export interface ProcessedModel {
  model_type: "owlvit" | "owlv2";
  /** Pixels of a side; the size where the file has none. */
  imageSize: number;
}

/** Mean and standard deviation of CLIP's training pictures. */
const CLIP_MEAN = [0.48145466, 0.4578275, 0.40821073];
const CLIP_STD = [0.26862954, 0.26130258, 0.27577711];

/** Grey as in scenic's inference and training; its evaluation alone pads with black. */
const padding = (protocol: Protocol) => (protocol === "scenic-eval" ? 0 : 0.5);

/**
 * The complete processor from the contents of a `preprocessor_config.json`, or undefined where
 * there is none. Fields of other tools are left out.
 *
 * Versions of transformers pad OWLv2's pictures with 0.5 or, from 5 on, with 0; files do not tell
 * with which. Where `pad_value` is absent it is 0.5, with which the models were trained.
 *
 * @throws `BAD_CONFIG`
 */
export function parseProcessor(input: unknown, model: ProcessedModel): Processor {
  const given = input === undefined ? {} : objectOf(input, "the preprocessor config");
  const isFirst = model.model_type === "owlvit";
  const protocol = (given.protocol ?? (isFirst ? "hf" : "pad")) as Protocol;
  const type = isFirst ? "OwlViTImageProcessor" : "Owlv2ImageProcessor";
  const fields: Record<keyof Processor, FieldSpec> = {
    image_processor_type: { check: () => type },
    ...pixelFields({
      side: model.imageSize,
      filter: isFirst ? "bicubic" : "bilinear",
      mean: CLIP_MEAN,
      std: CLIP_STD,
    }),
    do_pad: { check: flag, fallback: true },
    protocol: { check: oneOf(...PROTOCOLS), fallback: protocol },
    pad_value: { check: finite, fallback: padding(protocol) },
    resize_rule: { check: oneOf(...RESIZE_RULES), fallback: "skimage" },
  };
  // Early files of OWL-ViT have the flag under this name, and transformers lets it win.
  const renamed = { ...given, do_rescale: given.rescale ?? given.do_rescale };
  const processor = parseFields<Processor>(renamed, fields);
  refuseCrop(given, processor);
  return processor;
}

/** The processor with what was chosen for one call. Throws `BAD_INPUT`. */
export function adjusted(processor: Processor, options: ProcessingOptions): Processor {
  const { protocol = processor.protocol, resize = processor.resize_rule, padValue } = options;
  if (!PROTOCOLS.includes(protocol)) {
    throw invalidArgument("protocol", `one of ${PROTOCOLS.join(", ")}`, protocol);
  }
  if (!RESIZE_RULES.includes(resize)) {
    throw invalidArgument("resize", RESIZE_RULES.join(" or "), resize);
  }
  if (padValue !== undefined && !Number.isFinite(padValue)) {
    throw invalidArgument("padValue", "a number", padValue);
  }
  const other = protocol !== processor.protocol;
  return {
    ...processor,
    protocol,
    pad_value: padValue ?? (other ? padding(protocol) : processor.pad_value),
    resize_rule: resize,
  };
}

const finite: Field = (name, value) => {
  if (Number.isFinite(value)) return value;
  throw badField(name, "a number", value);
};
