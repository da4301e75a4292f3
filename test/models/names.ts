/** The lists of what public checkpoints hold, and how such a file would be loaded. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { native } from "../../lib/core/runtime.js";
import type { ModuleDescription } from "../../lib/core/schema.js";
import { findSystem } from "../../lib/core/systems.js";
import { detectDialect, resolvePlan, type TensorHeader } from "../../lib/core/weights.js";
import { fixture } from "./fixtures.js";

/** What a public checkpoint holds; `{i}` in a name stands for each layer of what is before it. */
export interface Listed {
  name: string;
  config: { model_type: string };
  count: number;
  parameters: number;
  layers: Record<string, number>;
  tensors: Record<string, number[]>;
}

/** The lists of a folder of fixtures. */
export function listedIn(folder: string): Listed[] {
  const lists = fixture(folder);
  return readdirSync(lists).map(
    (file) => JSON.parse(readFileSync(join(lists, file), "utf8")) as Listed,
  );
}

/** The headers of a checkpoint's tensors. */
export function tensorsOf({ layers, tensors }: Listed): Map<string, TensorHeader> {
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

/** What a config's model has for parameters, and the number of their elements. */
export function describedBy(config: unknown) {
  const described = native().describeModel(JSON.stringify(config));
  const { parameters } = JSON.parse(described) as ModuleDescription;
  const sizes = parameters.map(({ shape }) => shape.reduce((size, side) => size * side, 1));
  return { parameters, elements: sizes.reduce((total, size) => total + size, 0) };
}

/** How a file with these tensors is loaded. Throws `BAD_CHECKPOINT` where it does not fit. */
export function planOf({ name, config }: Listed, tensors: Map<string, TensorHeader>) {
  const system = findSystem(config.model_type)!;
  const complete = system.parseConfig(config);
  const dialect = detectDialect(system.dialects, tensors, name);
  return resolvePlan(
    describedBy(complete).parameters,
    dialect.rules(complete, tensors),
    tensors,
    name,
    dialect.ignores?.(tensors, complete),
  );
}
