/** The public checkpoints of PaliGemma and Gemma: their configs, names and shapes. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import { native } from "../../lib/core/runtime.js";
import type { ModuleDescription } from "../../lib/core/schema.js";
import { findSystem } from "../../lib/core/systems.js";
import { detectDialect, resolvePlan, type TensorHeader } from "../../lib/core/weights.js";
import { variant as gemmaVariant } from "../../lib/models/gemma/index.js";
import "../../lib/models/index.js";
import { type PaliGemmaVariant, variant } from "../../lib/models/paligemma/index.js";
import { fixture } from "./fixtures.js";

/** What a public checkpoint holds; `{i}` in a name stands for each layer of what is before it. */
interface Listed {
  name: string;
  config: { model_type: string };
  count: number;
  parameters: number;
  layers: Record<string, number>;
  tensors: Record<string, number[]>;
}

const LISTS = fixture("paligemma_names");
const listed = readdirSync(LISTS).map(
  (file) => JSON.parse(readFileSync(join(LISTS, file), "utf8")) as Listed,
);

function tensorsOf({ layers, tensors }: Listed): Map<string, TensorHeader> {
  const entries = Object.entries(tensors).flatMap(([name, shape]) => {
    const [before, after] = name.split(".{i}");
    const count = after === undefined ? 1 : layers[before!]!;
    return Array.from({ length: count }, (_, layer) => [
      name.replace("{i}", `${layer}`),
      { dtype: "bfloat16", shape, file: "/model.safetensors" },
    ]) as [string, TensorHeader][];
  });
  return new Map(entries);
}

for (const one of listed) {
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
    const described = native().describeModel(JSON.stringify(complete));
    const own = (JSON.parse(described) as ModuleDescription).parameters;
    const sizes = own.map(({ shape }) => shape.reduce((size, side) => size * side, 1));
    t.is(
      sizes.reduce((total, size) => total + size, 0),
      parameters,
    );
    const dialect = detectDialect(system.dialects, tensors, name);
    const plan = () =>
      resolvePlan(
        own,
        dialect.rules(complete, tensors),
        tensors,
        name,
        dialect.ignores?.(tensors, complete),
      );
    t.is(plan().entries.length, count);
    // A copy of the table as the head is passed over; what means nothing is not.
    tensors.set("language_model.lm_head.weight", { dtype: "bfloat16", shape: [1], file: "/" });
    if (config.model_type === "paligemma") t.is(plan().entries.length, count);
    tensors.set("unknown.weight", { dtype: "bfloat16", shape: [1], file: "/" });
    t.throws(plan, { code: "BAD_CHECKPOINT", message: /left over: .*unknown\.weight/ });
  });
}
