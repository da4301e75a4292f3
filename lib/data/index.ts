export type { LabelOptions, PixelOptions } from "./arrays.js";
export { type CaptionedOptions, captionedData } from "./captioned.js";
export {
  type ClassificationData,
  type ClassificationOptions,
  classificationData,
} from "./classification.js";
export { type ClipOptions, captionsOf } from "./clips.js";
export type { Size as PictureSize } from "./cropping.js";
export {
  type CocoSource,
  type Dataset,
  type DatasetSource,
  type DecodedSample,
  type FolderSource,
  type JsonLinesSource,
  type ListedSource,
  type ModuleSource,
  openDataset,
  type Sample,
  type SampleArray,
  type SampleBox,
} from "./dataset.js";
export type { DecodeSampleOptions } from "./decoding.js";
export type { Entry as ListedEntry } from "./listed.js";
export { DataLoader, type DataLoaderOptions } from "./loader.js";
export type { BadSample } from "./producer.js";
export { plainCaption, type ShapesSource } from "./shapes.js";
export type { Random as SampleRandom } from "./shapesworld/random.js";
export type { SplitOptions } from "./split.js";
export type { SampleTransform, Transform } from "./transforms.js";
