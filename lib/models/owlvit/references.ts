/**
 * What transformers publishes of public checkpoints: values in its integration tests, and the
 * detections in its docstrings' examples (5.18). All are of one picture, 000000039769 of COCO's
 * val2017.
 *
 * Their tests allow 1e-4, absolute and of the value. Ours are allowed ten times that: resized
 * pictures differ from theirs by up to two of 255 levels (`lib/media/pillow.ts`).
 */
import type { Size } from "./processing.js";
import type { Protocol } from "./processor.js";

/** Numbers as published. */
export interface Published {
  /** Of outputs for P patches, the first rows and columns; of detections, all. */
  readonly expected: readonly (readonly number[])[];
  /** How far ours may be from each. */
  readonly tolerance: number;
  readonly source: string;
}

/**
 * What is compared: outputs of the network by transformers' names, or detections, in the order of
 * their patches: places of the queries, scores, corners in pixels.
 */
export type OwlViTValue =
  | "pred_boxes"
  | "logits"
  | "target_pred_boxes"
  | "queries"
  | "scores"
  | "boxes";

/** Values of the picture as it is prepared in one way. */
export interface OwlViTReference {
  readonly name: string;
  /** Default: the processor's. */
  readonly protocol?: Protocol;
  /** Pixels of the model's input, its positions interpolated. Default: the processor's. */
  readonly size?: Size;
  readonly values: Readonly<Partial<Record<OwlViTValue, Published>>>;
}

/** What is looked for. */
export const QUERIES: readonly string[] = ["a photo of a cat", "a photo of a dog"];

/** Scores of detections are above it. */
export const THRESHOLD = 0.1;

type Rows = Published["expected"];

const tests = (system: string, name: string) =>
  `transformers, tests/models/${system}/test_modeling_${system}.py: ${name}`;
const example = (system: string, model: string) =>
  `transformers, models/${system}/modeling_${system}.py: example of ${model}.forward`;

const ofPatches = (expected: Rows, source: string): Published => ({
  expected,
  tolerance: 1e-3,
  source,
});
const bothCats = (source: string): Published => ({ expected: [[0], [0]], tolerance: 0, source });

const FIRST = {
  detection: tests("owlvit", "test_inference_object_detection"),
  oneShot: tests("owlvit", "test_inference_one_shot_object_detection"),
  sizes: tests("owlvit", "test_inference_interpolate_pos_encoding"),
  example: example("owlvit", "OwlViTForObjectDetection"),
};

const BASE_PATCH32_BOXES: Rows = [
  [0.0691, 0.0445, 0.1373],
  [0.1592, 0.0456, 0.3192],
  [0.1632, 0.0423, 0.2478],
];

const OWLVIT_BASE_PATCH32: readonly OwlViTReference[] = [
  {
    name: "768 x 768",
    values: {
      pred_boxes: ofPatches(BASE_PATCH32_BOXES, FIRST.detection),
      target_pred_boxes: ofPatches(BASE_PATCH32_BOXES, FIRST.oneShot),
      queries: bothCats(FIRST.example),
      // biome-ignore lint/suspicious/noApproximativeNumericConstant: a score, no root of a half.
      scores: { expected: [[0.707], [0.717]], tolerance: 0.01, source: FIRST.example },
      boxes: {
        expected: [
          [324.97, 20.44, 640.58, 373.29],
          [1.46, 55.26, 315.55, 472.17],
        ],
        tolerance: 2,
        source: FIRST.example,
      },
    },
  },
  {
    name: "800 x 800",
    size: { width: 800, height: 800 },
    values: {
      pred_boxes: ofPatches(
        [
          [0.068, 0.0422, 0.1347],
          [0.2071, 0.045, 0.4146],
          [0.2, 0.0418, 0.3476],
        ],
        FIRST.sizes,
      ),
    },
  },
  {
    name: "1024 x 1264",
    size: { width: 1024, height: 1264 },
    values: {
      pred_boxes: ofPatches(
        [
          [0.0499, 0.0301, 0.0983],
          [0.2244, 0.0365, 0.4663],
          [0.1387, 0.0314, 0.1859],
        ],
        FIRST.sizes,
      ),
    },
  },
];

const SECOND = {
  detection: tests("owlv2", "test_inference_object_detection"),
  oneShot: tests("owlv2", "test_inference_one_shot_object_detection"),
  sizes: tests("owlv2", "test_inference_interpolate_pos_encoding"),
  example: example("owlv2", "Owlv2ForObjectDetection"),
};

/** Those tests prepare pictures by OWL-ViT's processor, which squashes them and pads nothing. */
const OWLV2_BASE_PATCH16: readonly OwlViTReference[] = [
  {
    name: "960 x 960, squashed",
    protocol: "hf",
    values: {
      logits: {
        expected: [
          [-21.413497, -21.612638],
          [-19.008193, -19.548841],
          [-20.958896, -21.382694],
        ],
        // Ten times 1e-4 and 1e-4 of about 20.
        tolerance: 0.02,
        source: SECOND.detection,
      },
      pred_boxes: ofPatches(
        [
          [0.241309, 0.051896, 0.453267],
          [0.139474, 0.045701, 0.25066],
          [0.233022, 0.050479, 0.427671],
        ],
        SECOND.detection,
      ),
      queries: bothCats(SECOND.detection),
      target_pred_boxes: ofPatches(
        [
          [0.2413, 0.0519, 0.4533],
          [0.1395, 0.0457, 0.2507],
          [0.233, 0.0505, 0.4277],
        ],
        SECOND.oneShot,
      ),
    },
  },
  {
    name: "1024 x 1024, squashed",
    protocol: "hf",
    size: { width: 1024, height: 1024 },
    values: {
      pred_boxes: ofPatches(
        [
          [0.2407, 0.0553, 0.4636],
          [0.1082, 0.0494, 0.1861],
          [0.2459, 0.0527, 0.4398],
        ],
        SECOND.sizes,
      ),
    },
  },
  {
    name: "1024 x 1264, squashed",
    protocol: "hf",
    size: { width: 1024, height: 1264 },
    values: {
      pred_boxes: ofPatches(
        [
          [0.2438, 0.0945, 0.4675],
          [0.1361, 0.0431, 0.2406],
          [0.2465, 0.0428, 0.4429],
        ],
        SECOND.sizes,
      ),
    },
  },
];

/**
 * The example does not tell which version computed it, and versions pad with 0.5 or with 0 and blur
 * in different ways before they shrink: what is near the padding moves by pixels.
 */
const OWLV2_BASE_PATCH16_ENSEMBLE: readonly OwlViTReference[] = [
  {
    name: "960 x 960, padded",
    values: {
      queries: bothCats(SECOND.example),
      scores: { expected: [[0.614], [0.665]], tolerance: 0.03, source: SECOND.example },
      boxes: {
        expected: [
          [341.67, 23.39, 642.32, 371.35],
          [6.75, 51.96, 326.62, 473.13],
        ],
        tolerance: 8,
        source: SECOND.example,
      },
    },
  },
];

/** References by the checkpoints' names on the hub. */
export const REFERENCES: Readonly<Record<string, readonly OwlViTReference[]>> = {
  "google/owlvit-base-patch32": OWLVIT_BASE_PATCH32,
  "google/owlv2-base-patch16": OWLV2_BASE_PATCH16,
  "google/owlv2-base-patch16-ensemble": OWLV2_BASE_PATCH16_ENSEMBLE,
};
