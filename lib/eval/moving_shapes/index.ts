export {
  type MovingShape,
  MovingShapesJudge,
  type MovingShapesOptions,
  type Verdict,
} from "./judge.js";
export type { ClipPixels } from "./matte.js";
export type { PlainMotion } from "./motion.js";
