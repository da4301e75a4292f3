/** The scenes that claims are tried on. */
import { ShapesWorld } from "../../data/shapesworld/world.js";

/** Which scenes: those to train on, or others that are never trained on. */
export interface Part {
  side: number;
  seed: number;
  held?: boolean | undefined;
}

/** Scenes of one filled object, of any shape, colour and size, wherever it has room. */
export function oneObject(
  part: Part,
  texture: "none" | "matching" | "conflict" = "none",
): ShapesWorld {
  return new ShapesWorld({
    ...{ ...of(part), objects: 1, texture, vocabulary: { fill: ["filled"] } },
    backgrounds: ["plain", "gradient"],
  });
}

/** Scenes of one to three objects that do not hide each other. */
export function fewObjects(part: Part): ShapesWorld {
  return new ShapesWorld({ ...of(part), objects: [1, 3], occlusion: "none" });
}

/** Even seeds train and odd ones are held out. */
function of({ side, seed, held = false }: Part) {
  return { seed: 2 * seed + (held ? 1 : 0), size: [side, side], frames: 1 } as const;
}
