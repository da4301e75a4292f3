/** Parts of a list that are kept apart, however the list grows. */
import { createHash } from "node:crypto";
import { checkOneOf } from "../core/checks.js";
import { realNumber, wholeNumber } from "./shapesworld/checks.js";

/** Which part of a list is taken. */
export interface SplitOptions {
  /** Default: all of it. */
  split?: "train" | "held" | undefined;
  /** The share that is held out. Default 0.1. */
  heldShare?: number | undefined;
  /** Decides which ones are. Default 0. */
  splitSeed?: number | undefined;
}

/** Of a part of drawn data: even seeds train and odd ones are held out, so that no two ever mix. */
export function seedOfPart(seed: number, held: boolean): number {
  return 2 * seed + (held ? 1 : 0);
}

const BITS = 48;

/**
 * Whether a file belongs to the part that is taken. The name alone decides, so that a file stays
 * where it is when others come or go.
 */
export function splitter(options: SplitOptions): (name: string) => boolean {
  const { split, heldShare = 0.1, splitSeed = 0 } = options;
  checkOneOf("split", split, ["train", "held"]);
  realNumber("heldShare", heldShare, [0, 1]);
  wholeNumber("splitSeed", splitSeed, [0, Number.MAX_SAFE_INTEGER]);
  if (split === undefined) return () => true;
  return (name) => {
    const digest = createHash("sha256").update(`${splitSeed}:${name}`).digest();
    const held = digest.readUIntBE(0, BITS / 8) < heldShare * 2 ** BITS;
    return held === (split === "held");
  };
}
