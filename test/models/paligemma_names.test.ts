/** The public checkpoints of PaliGemma and Gemma: their configs, names and shapes. */
import test from "ava";
import { findSystem } from "../../lib/core/systems.js";
import { variant as gemmaVariant } from "../../lib/models/gemma/index.js";
import "../../lib/models/index.js";
import { type PaliGemmaVariant, variant } from "../../lib/models/paligemma/index.js";
import { describedBy, listedIn, planOf, tensorsOf } from "./names.js";

for (const one of listedIn("paligemma_names")) {
  const { name, config, count, parameters } = one;
  const system = findSystem(config.model_type)!;
  const complete = system.parseConfig(config);

  test(`${name}: the published config is the variant's`, (t) => {
    const own =
      config.model_type === "paligemma"
        ? variant(name.replace(/-pt-|-mix-/, "-") as PaliGemmaVariant)
        : gemmaVariant(name as Parameters<typeof gemmaVariant>[0]);
    t.deepEqual(complete, own);
  });

  test(`${name}: every published tensor has its parameter, and none is left over`, (t) => {
    const tensors = tensorsOf(one);
    t.is(tensors.size, count);
    t.is(describedBy(complete).elements, parameters);
    const plan = () => planOf(one, tensors);
    t.is(plan().entries.length, count);
    // A copy of the table as the head is passed over; what means nothing is not.
    tensors.set("language_model.lm_head.weight", { dtype: "bfloat16", shape: [1], file: "/" });
    if (config.model_type === "paligemma") t.is(plan().entries.length, count);
    tensors.set("unknown.weight", { dtype: "bfloat16", shape: [1], file: "/" });
    t.throws(plan, { code: "BAD_CHECKPOINT", message: /left over: .*unknown\.weight/ });
  });
}
