/** The scenes that claims are tried on. */

import { ShapesWorld } from "../../data/shapesworld/world.js";
import { seedOfPart } from "../../data/split.js";

/** Which scenes: those to train on, or others that are never trained on. */
export interface Part {
  side: number;
  seed: number;
  held?: boolean | undefined;
}

/**
 * Scenes of one large filled object near the middle, of any shape and colour: what models of a few
 * thousand weights learn within some thousand steps.
 */
export function oneObject(
  part: Part,
  texture: "none" | "matching" | "conflict" = "none",
): ShapesWorld {
  return new ShapesWorld({
    ...{ ...of(part), objects: 1, texture, spread: 0.4 },
    vocabulary: { fill: ["filled"], size: ["large"] },
    backgrounds: ["plain", "gradient"],
  });
}

function of({ side, seed, held = false }: Part) {
  return { seed: seedOfPart(seed, held), size: [side, side], frames: 1 } as const;
}
