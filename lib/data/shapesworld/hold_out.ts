import { invalidArgument } from "../../core/errors.js";
import { realNumber, someOf, wholeNumber } from "./checks.js";
import type { PartialCombination } from "./options.js";
import { Random, STREAMS } from "./random.js";
import { COUNTED } from "./settings.js";
import { ATTRIBUTES, type Attribute, VOCABULARY } from "./vocabulary.js";

/**
 * Combinations to hold out of training, drawn from all of some attributes' values.
 *
 * @param attributes - what a combination is of
 * @param share - how much of all combinations, above 0 and below 1
 * @throws `BAD_INPUT` for attributes that there are not, and shares that leave nothing or take it
 *
 * @example
 * ```ts
 * const heldOut = holdOut(["color", "shape", "motion"], 0.1);
 * const seen = new ShapesWorld({ seed: 1, heldOut });
 * const unseen = new ShapesWorld({ seed: 2, heldOut, split: "heldOut" });
 * ```
 */
export function holdOut(
  attributes: readonly Attribute[],
  share: number,
  options: { seed?: number | undefined } = {},
): PartialCombination[] {
  const seed = wholeNumber("seed", options.seed ?? 0, COUNTED);
  let all: PartialCombination[] = [{}];
  for (const key of someOf("attributes", attributes, ATTRIBUTES)) {
    all = all.flatMap((one) => VOCABULARY[key].map((value) => ({ ...one, [key]: value })));
  }
  const count = Math.round(all.length * realNumber("share", share, [0, 1]));
  if (count === 0 || count === all.length) {
    throw invalidArgument("share", `a share that divides ${all.length} combinations`, share);
  }
  return new Random(seed, 0, STREAMS.holdOut).shuffled(all).slice(0, count);
}
