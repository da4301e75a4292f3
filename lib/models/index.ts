/** All systems of the package. A new one is one more entry here, beside its folder. */
import { system as gemma } from "./gemma/index.js";
import { system as imagen_video, training as imagenVideoTraining } from "./imagen_video/index.js";
import { system as owlvit } from "./owlvit/index.js";
import { system as paligemma } from "./paligemma/index.js";
import { system as siglip } from "./siglip/index.js";
import { system as t5 } from "./t5/index.js";
import { system as vit22b, training as vit22bTraining } from "./vit22b/index.js";

/** Systems by the names of their folders. */
export const systems = { gemma, imagen_video, owlvit, paligemma, siglip, t5, vit22b } as const;

/** Those that recipes can train. */
export const trainable = {
  vit22b: vit22bTraining,
  "imagen-video": imagenVideoTraining,
} as const;
