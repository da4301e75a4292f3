export type { AnnotatedObject, Counts, ShapesAnnotations } from "./annotations.js";
export type { Caption } from "./captions.js";
export { ShapesClip } from "./clip.js";
export type { Box } from "./drawn.js";
export { holdOut } from "./hold_out.js";
export type { Meaning, Mention, Statement } from "./meaning.js";
export type {
  ClipSize,
  PartialCombination,
  ShapesWorldOptions,
  SizeRule,
  Span,
  Weights,
} from "./options.js";
export type { Question } from "./questions.js";
export { parseCaption } from "./reading.js";
export type { Action, RelationSpan, ShapesObject } from "./tracks.js";
export {
  type Attribute,
  BACKGROUNDS,
  type Background,
  COLORS,
  type Color,
  type Combination,
  FILLS,
  type Fill,
  MOTIONS,
  type Motion,
  RELATIONS,
  type Relation,
  RGB,
  SHAPES,
  type Shape,
  SIZES,
  type Size,
} from "./vocabulary.js";
export { type ClipsOptions, ShapesWorld } from "./world.js";
