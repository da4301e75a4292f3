import type { Steps } from "../core/compose.js";
import type { LoadOptions } from "../core/load.js";
import type { RawImage } from "../media/image.js";
import type { Check } from "./checks.js";
import type { KnownPicture } from "./picture.js";

/** How the model that is verified is loaded. */
export type SubjectOptions = Pick<LoadOptions, "device" | "dtype" | "threads" | "isolate">;

/** A model of which values are published. */
export interface Subject {
  /** The picture that they are of. */
  readonly picture: KnownPicture;
  /** Loads the model of that folder and computes all of them. */
  check(folder: string, image: RawImage, options: SubjectOptions, steps: Steps): Promise<Check[]>;
}
