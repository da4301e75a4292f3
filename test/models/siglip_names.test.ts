/** The public checkpoints of SigLIP and SigLIP 2: their configs, names and shapes. */
import test from "ava";
import { parseConfig, type SiglipVariant, variant } from "../../lib/models/siglip/index.js";
import { namesOf } from "../../lib/models/siglip/weights.js";
import { describedBy, listedIn, planOf, tensorsOf } from "./names.js";

const I64 = { dtype: "int64", file: "/" } as const;

for (const one of listedIn("siglip_names")) {
  const { name, config, count, parameters } = one;

  test(`${name}: the published config is the variant's`, (t) => {
    t.deepEqual(parseConfig(config), variant(name as SiglipVariant));
  });

  test(`${name}: every published tensor has its parameter, and none is left over`, (t) => {
    const tensors = tensorsOf(one);
    t.is(tensors.size, count);
    t.is(describedBy(parseConfig(config)).elements, parameters);
    const plan = () => planOf(one, tensors);
    t.is(plan().entries.length, count);
    // Buffers of older files are passed over; what means nothing is not.
    for (const tower of ["text_model", "vision_model"]) {
      tensors.set(`${tower}.embeddings.position_ids`, { ...I64, shape: [1, 64] });
    }
    t.is(plan().entries.length, count);
    tensors.set("unknown.weight", { ...I64, shape: [1] });
    t.throws(plan, { code: "BAD_CHECKPOINT", message: /left over: .*unknown\.weight/ });
    tensors.delete("unknown.weight");
    tensors.delete("logit_bias");
    t.throws(plan, { code: "BAD_CHECKPOINT", message: /missing: .*logit_bias/ });
  });
}

test("a tower is found in a file of both, and none of its tensors is left over", (t) => {
  const [both] = listedIn("siglip_names").filter(({ name }) => name.endsWith("base-patch16-224"));
  for (const tower of ["vision", "text"] as const) {
    const alone = { ...both!, config: { model_type: `siglip_${tower}_model` } };
    const tensors = tensorsOf(both!);
    const prefix = `${tower}_model.`;
    const own = [...tensors.keys()].filter((name) => name.startsWith(prefix));
    t.is(planOf(alone, tensors).entries.length, own.length);
    tensors.set(`${prefix}unknown`, { ...I64, shape: [1] });
    t.throws(() => planOf(alone, tensors), { code: "BAD_CHECKPOINT", message: /left over/ });
  }
});

test("each name of the tables is a parameter's", (t) => {
  const types = ["siglip", "siglip_vision_model", "siglip_text_model"] as const;
  for (const type of types.flatMap((name) => [name, name.replace("siglip", "siglip2")])) {
    const config = parseConfig({ model_type: type });
    const names = describedBy(config).parameters.map(({ name }) => name);
    const patterns = new Set(names.map((name) => name.replace(/\.\d+\./, ".{}.")));
    t.deepEqual([...patterns].sort(), [...namesOf(config.model_type)].sort());
  }
});
