/**
 * Sentences around class names, and the form of class names that the models were trained with
 * (Minderer et al., arXiv 2205.06230).
 */
import { invalidArgument } from "../../core/errors.js";

/** OpenAI's 80 templates for ImageNet, in the order of CLIP's notebook (MIT License). */
const CLIP_80 = [
  "a bad photo of a {}.",
  "a photo of many {}.",
  "a sculpture of a {}.",
  "a photo of the hard to see {}.",
  "a low resolution photo of the {}.",
  "a rendering of a {}.",
  "graffiti of a {}.",
  "a bad photo of the {}.",
  "a cropped photo of the {}.",
  "a tattoo of a {}.",
  "the embroidered {}.",
  "a photo of a hard to see {}.",
  "a bright photo of a {}.",
  "a photo of a clean {}.",
  "a photo of a dirty {}.",
  "a dark photo of the {}.",
  "a drawing of a {}.",
  "a photo of my {}.",
  "the plastic {}.",
  "a photo of the cool {}.",
  "a close-up photo of a {}.",
  "a black and white photo of the {}.",
  "a painting of the {}.",
  "a painting of a {}.",
  "a pixelated photo of the {}.",
  "a sculpture of the {}.",
  "a bright photo of the {}.",
  "a cropped photo of a {}.",
  "a plastic {}.",
  "a photo of the dirty {}.",
  "a jpeg corrupted photo of a {}.",
  "a blurry photo of the {}.",
  "a photo of the {}.",
  "a good photo of the {}.",
  "a rendering of the {}.",
  "a {} in a video game.",
  "a photo of one {}.",
  "a doodle of a {}.",
  "a close-up photo of the {}.",
  "a photo of a {}.",
  "the origami {}.",
  "the {} in a video game.",
  "a sketch of a {}.",
  "a doodle of the {}.",
  "a origami {}.",
  "a low resolution photo of a {}.",
  "the toy {}.",
  "a rendition of the {}.",
  "a photo of the clean {}.",
  "a photo of a large {}.",
  "a rendition of a {}.",
  "a photo of a nice {}.",
  "a photo of a weird {}.",
  "a blurry photo of a {}.",
  "a cartoon {}.",
  "art of a {}.",
  "a sketch of the {}.",
  "a embroidered {}.",
  "a pixelated photo of a {}.",
  "itap of the {}.",
  "a jpeg corrupted photo of the {}.",
  "a good photo of a {}.",
  "a plushie {}.",
  "a photo of the nice {}.",
  "a photo of the small {}.",
  "a photo of the weird {}.",
  "the cartoon {}.",
  "art of the {}.",
  "a drawing of the {}.",
  "a photo of the large {}.",
  "a black and white photo of a {}.",
  "the plushie {}.",
  "a dark photo of a {}.",
  "itap of a {}.",
  "graffiti of the {}.",
  "a toy {}.",
  "itap of my {}.",
  "a photo of a cool {}.",
  "a photo of a small {}.",
  "a tattoo of the {}.",
] as const;

/** Seven of them, chosen by CLIP's authors; OWL-ViT is evaluated with these. */
const BEST_7 = [
  "itap of a {}.",
  "a bad photo of the {}.",
  "a origami {}.",
  "a photo of the large {}.",
  "a {} in a video game.",
  "art of the {}.",
  "a photo of the small {}.",
] as const;

/** Templates by name. Training draws one of `clip81` for each label. */
export const TEMPLATES = {
  none: ["{}"],
  best7: BEST_7,
  clip80: CLIP_80,
  clip81: ["{}", ...CLIP_80],
} as const satisfies Record<string, readonly string[]>;

/** The name of a set of templates, or templates of one's own with `{}` where the query goes. */
export type Templates = keyof typeof TEMPLATES | readonly string[];

/** The templates that are meant. Throws `BAD_INPUT`. */
export function templatesOf(templates: Templates): readonly string[] {
  if (typeof templates === "string" && Object.hasOwn(TEMPLATES, templates)) {
    return TEMPLATES[templates];
  }
  if (!Array.isArray(templates) || templates.length === 0) {
    const names = Object.keys(TEMPLATES).join(", ");
    throw invalidArgument("templates", `one of ${names}, or a list of texts with {}`, templates);
  }
  const wrong = templates.findIndex((one) => typeof one !== "string" || !one.includes("{}"));
  if (wrong >= 0) throw invalidArgument(`templates[${wrong}]`, "a text with {}", templates[wrong]);
  return templates;
}

/** Every query in every template: [T][Q]. Throws `BAD_INPUT`. */
export function applyTemplates(queries: readonly string[], templates: Templates): string[][] {
  const wrong = queries.findIndex((query) => typeof query !== "string");
  if (wrong >= 0) throw invalidArgument(`queries[${wrong}]`, "a string", queries[wrong]);
  // A function, because `$&` and its like have a meaning in a replacement text.
  return templatesOf(templates).map((template) =>
    queries.map((query) => template.replaceAll("{}", () => query)),
  );
}

/**
 * A label in the form of training and LVIS evaluation (scenic's `label_ops.py`): ASCII letters in
 * lower case, digits, single dashes and single spaces. Everything else, accented letters included,
 * becomes a space.
 */
export function canonicalize(text: string): string {
  if (typeof text !== "string") throw invalidArgument("text", "a string", text);
  return text
    .replace(/[A-Z]+/g, (letters) => letters.toLowerCase())
    .replace(/[^a-z0-9-]+/g, " ")
    .replace(/-+/g, "-")
    .trim();
}
