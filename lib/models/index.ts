/** All systems of the package. A new one is one more entry here, beside its folder. */
import { system as vit22b } from "./vit22b/index.js";

/** Systems by `model_type`. */
export const systems = { vit22b } as const;
