/** Published values of SigLIP beside ours. */
import { SigLIP } from "../models/siglip/index.js";
import { compare, type Expectation } from "./checks.js";
import { COCO_CATS, type KnownPicture } from "./picture.js";
import type { Subject } from "./subject.js";

/** Logits of the picture for texts, as published. */
interface SiglipReference {
  texts: readonly string[];
  logits: Expectation;
}

/** By the names of the models on the hub. */
const REFERENCES: Readonly<Record<string, SiglipReference>> = {
  "google/siglip-base-patch16-224": {
    texts: ["a photo of 2 cats", "a photo of 2 dogs"],
    logits: {
      name: "logits_per_image",
      expected: [[-0.7567, -10.3354]],
      // Theirs is 1e-3; resized pictures differ from theirs by up to two of 255 levels.
      tolerance: 1e-2,
      source: "transformers, tests/models/siglip/test_modeling_siglip.py: test_inference",
    },
  },
};

/** A model with this reference. */
export function siglipSubject(
  { texts, logits }: SiglipReference,
  picture: KnownPicture = COCO_CATS,
): Subject {
  return {
    picture,
    check: async (folder, image, options, steps) => {
      await using model = await steps.run(SigLIP.load(folder, { ...options, ...steps.control }));
      const job = model.similarity([image], texts, { ...steps.control });
      return [compare(logits, (await steps.run(job)).logits)];
    },
  };
}

/** All models of which values are published. */
export const siglipSubjects = Object.entries(REFERENCES).map(
  ([name, reference]) => [name, siglipSubject(reference)] as const,
);
