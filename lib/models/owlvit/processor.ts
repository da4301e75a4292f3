/** What `preprocessor_config.json` says of how pictures are prepared. */
import {
  badField,
  type Field,
  type FieldSpec,
  flag,
  objectOf,
  oneOf,
  parseFields,
  positive,
} from "../../core/config.js";
import { invalidArgument } from "../../core/errors.js";
import { PILLOW_FILTERS } from "../../media/pillow.js";

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
export interface Processor {
  image_processor_type: "OwlViTImageProcessor" | "Owlv2ImageProcessor";
  do_resize: boolean;
  /** Pixels of the model's input. */
  size: { height: number; width: number };
  /** Filter of `hf` by Pillow's number: nearest, lanczos, bilinear, bicubic, box, hamming. */
  resample: number;
  do_rescale: boolean;
  rescale_factor: number;
  do_normalize: boolean;
  /** Per channel, of rescaled values. */
  image_mean: readonly number[];
  image_std: readonly number[];
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
    do_resize: { check: flag, fallback: true },
    size: { check: sides, fallback: model.imageSize },
    resample: { check: filter, fallback: isFirst ? 3 : 2 },
    do_rescale: { check: flag, fallback: true },
    rescale_factor: { check: positive(1), fallback: 1 / 255 },
    do_normalize: { check: flag, fallback: true },
    image_mean: { check: perChannel(Number.isFinite, "numbers"), fallback: CLIP_MEAN },
    image_std: { check: perChannel((std) => std > 0, "numbers above 0"), fallback: CLIP_STD },
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

/** A number for a square, [height, width] or {height, width}. */
const sides: Field = (name, value) => {
  const listed = typeof value === "number" ? [value, value] : value;
  const { height, width } = (
    Array.isArray(listed) && listed.length === 2
      ? { height: listed[0], width: listed[1] }
      : (listed ?? {})
  ) as Record<string, unknown>;
  const isSide = (side: unknown) => Number.isSafeInteger(side) && (side as number) > 0;
  if (isSide(height) && isSide(width)) return { height, width };
  throw badField(name, "a number of pixels or {height, width}", value);
};

const filter: Field = (name, value) => {
  if (Number.isInteger(value) && PILLOW_FILTERS[value as number] !== undefined) return value;
  throw badField(name, `a filter of Pillow from 0 to ${PILLOW_FILTERS.length - 1}`, value);
};

const finite: Field = (name, value) => {
  if (Number.isFinite(value)) return value;
  throw badField(name, "a number", value);
};

/** One number for all channels, or three. */
const perChannel =
  (accepts: (value: number) => boolean, expected: string): Field =>
  (name, value) => {
    const values = typeof value === "number" ? [value, value, value] : value;
    const fits = (one: unknown) => typeof one === "number" && accepts(one);
    if (Array.isArray(values) && values.length === 3 && values.every(fits)) return values;
    throw badField(name, `three ${expected}`, value);
  };

/** A crop that cuts something off would hide objects, and boxes would not map back. */
function refuseCrop(given: Record<string, unknown>, { size, do_resize }: Processor): void {
  if (!flag("do_center_crop", given.do_center_crop ?? false)) return;
  const crop = sides("crop_size", given.crop_size ?? size) as Processor["size"];
  if (do_resize && crop.height === size.height && crop.width === size.width) return;
  throw badField("do_center_crop", "false, or a crop_size equal to size", true);
}
