export { type BackwardOptions, backward, type GradOptions, grad } from "./core/autograd.js";
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
  type TensorArray,
  type TensorOptions,
  tensor,
  zeros,
} from "./core/create.js";
export type { Complex, DataTypeMap, DType, ItemOf, TypedArrayOf } from "./core/dtype.js";
export { type ErrorCode, TorchsightError, type TorchsightErrorOptions } from "./core/errors.js";
export { type ReadOptions, readTensors, type WriteOptions, writeTensors } from "./core/files.js";
export { type Index, Slice, type SliceText, slice } from "./core/indexing.js";
export { Job, type JobControl, type JobState, type JobStats, type Progress } from "./core/job.js";
export { type LaneCounters, type LaneLimits, lanes } from "./core/lanes.js";
export {
  createModule,
  type Layout,
  type LoadOptions,
  load,
  MODULE_DTYPES,
  type ModuleDType,
} from "./core/load.js";
export {
  type DeviceInfo,
  type DeviceMemory,
  devices,
  emptyCache,
  type MemoryStats,
  memory,
  memoryStats,
  setThreads,
  threads,
} from "./core/machine.js";
export {
  type AnyMethods,
  type CallOptions,
  type CallResult,
  type MethodTypes,
  Module,
  type SaveOptions,
} from "./core/module.js";
export type { NamedTensors } from "./core/named.js";
export { type JobOps, type Ops, ops } from "./core/ops.js";
export type { Arithmetic, Operand } from "./core/ops-typed.js";
export type { Device } from "./core/ops-types.js";
export { Program, type ProgramOptions } from "./core/program.js";
export type { FloatOf, Promote, PromoteScalar, RealOf, SumOf } from "./core/promotion.js";
export type { Nested } from "./core/read.js";
export { type ReshardOptions, reshard } from "./core/reshard.js";
export { complex, type FloatScalar, float, type Scalar } from "./core/scalar.js";
export {
  formatMethod,
  type MethodSchema,
  type OptionSpec,
  type ParameterInfo,
  type TensorSpec,
} from "./core/schema.js";
export { type Disposable, enableGrad, gradEnabled, keep, noGrad, tidy } from "./core/scope.js";
export { Session, type SessionCallOptions } from "./core/session.js";
export { Tensor } from "./core/tensor.js";
export * from "./data/index.js";
export * as shapesworld from "./data/shapesworld/index.js";
export {
  type Caption,
  type ClipsOptions,
  holdOut,
  parseCaption,
  type ShapesAnnotations,
  ShapesClip,
  type ShapesObject,
  ShapesWorld,
  type ShapesWorldOptions,
} from "./data/shapesworld/index.js";
export * from "./eval/index.js";
export type { TextPrompt } from "./generation/batch.js";
export type { GenerateOptions } from "./generation/options.js";
export type { FinishReason, GeneratedText, TokenEvent } from "./generation/types.js";
export { type HubOptions, locate, type Pulled, type PullOptions, pull } from "./hub/index.js";
export { type LaunchedGroup, launchedGroup } from "./launch/environment.js";
export type { LauncherGroup, LaunchOption } from "./launch/join.js";
export type { Colour } from "./media/colours.js";
export { contactSheet, type SheetOptions } from "./media/contact_sheet.js";
export { type DrawnBox, type DrawOptions, drawBoxes } from "./media/draw.js";
export {
  type DecodeOptions,
  decodeImage,
  type ImageSource,
  type RawImage,
  writeImage,
} from "./media/image.js";
export { expandSources, type MediaSource } from "./media/sources.js";
export {
  isVideo,
  type VideoFrame,
  type VideoOptions,
  type VideoWriter,
  type VideoWriterOptions,
  videoFrames,
  videoWriter,
} from "./media/video.js";
export * as gemma from "./models/gemma/index.js";
export { Gemma, type GemmaLoadOptions, type TextScore } from "./models/gemma/pipeline.js";
export * as imagenVideo from "./models/imagen_video/index.js";
export { type StageLoadOptions, VideoStage } from "./models/imagen_video/index.js";
export { systems, trainable } from "./models/index.js";
export * as owlvit from "./models/owlvit/index.js";
export {
  type Detection,
  type DetectOptions,
  ImageEmbedding,
  OwlViT,
  type OwlViTImage,
  type OwlViTLoadOptions,
  type OwlViTQueries,
  type Proposal,
  Queries,
} from "./models/owlvit/index.js";
export * as paligemma from "./models/paligemma/index.js";
export {
  type DetectedText,
  type FoundObject,
  ImageFeatures,
  MaskCodec,
  PaliGemma,
  type PaliGemmaImage,
  type PaliGemmaInput,
  type PaliGemmaLoadOptions,
  type SegmentedObject,
  type SegmentedText,
} from "./models/paligemma/index.js";
export * as siglip from "./models/siglip/index.js";
export {
  Embeddings,
  SigLIP,
  type SigLIPLoadOptions,
  type Similarities,
} from "./models/siglip/index.js";
export * as t5 from "./models/t5/index.js";
export {
  type T5EncodeOptions,
  T5Encoder,
  type T5LoadOptions,
  TextFeatures,
} from "./models/t5/index.js";
export * as vit22b from "./models/vit22b/index.js";
export {
  type ClassifyOutputs,
  type EncodeOptions,
  type EncodeOutputs,
  ViT22B,
  type ViT22BImage,
} from "./models/vit22b/pipeline.js";
export * as recipes from "./recipes/index.js";
export { parseRecipe, type Recipe, readRecipe, runRecipe } from "./recipes/index.js";
export {
  type Embedding,
  EmbeddingIndex,
  type IndexEntry,
  type Match,
  type Metadata,
} from "./search/index.js";
export { TextStream, type TextStreamOptions } from "./text/text_stream.js";
export {
  type DecodeOptions as DecodeTextOptions,
  type EncodeOptions as EncodeTextOptions,
  Tokenizer,
  type TokenizerOptions,
} from "./text/tokenizer.js";
export {
  type AdapterOptions,
  type Batch,
  type Best,
  type BestOptions,
  bestCheckpoint,
  type DistillationOptions,
  type DivergenceOptions,
  type EvaluationState,
  type FitOptions,
  type GroupOptions,
  type Loader,
  type LockedOptions,
  type Loss,
  latestCheckpoint,
  lockedImages,
  mergeAdapters,
  type OptimizerOptions,
  type Saved,
  type SaveRunOptions,
  type ScheduleOptions,
  type SingleStep,
  type Step,
  type Trainable,
  Trainer,
  type TrainerOptions,
} from "./train/index.js";
export { type Verification, type VerifyOptions, verify } from "./verify/verify.js";
export * as video from "./video/index.js";
export {
  type CascadeLoadOptions,
  type CascadeProgress,
  GeneratedVideo,
  type GenerateVideoOptions,
  type KnownVideo,
  type UpscaleOptions,
  VideoCascade,
  type VideoJob,
  type VideoPreview,
} from "./video/index.js";
