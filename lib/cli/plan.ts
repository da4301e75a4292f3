import { existsSync } from "node:fs";
import { readConfig } from "../core/checkpoint.js";
import { LAYOUTS, type Layout, MODULE_DTYPES, type ModuleDType } from "../core/load.js";
import {
  dryRun,
  type Plan,
  parseConfig,
  planOf,
  type ViT22BVariant,
  variant,
} from "../models/vit22b/index.js";
import { usage, wholeNumber } from "./arguments.js";
import { defineCommand } from "./command.js";

export default defineCommand({
  name: "plan",
  description: "Tells what a sharded ViT-22B would cost each rank, and counts it in a dry run",
  args: {
    model: { type: "positional", description: "A published size, e.g. ViT-22B, or a folder" },
    ranks: {
      type: "string",
      required: true,
      valueHint: "DxT",
      description: "Replicas and the ranks of each, e.g. 8x4; T alone for one replica",
    },
    layout: {
      type: "enum",
      options: [...LAYOUTS],
      default: "tokens",
      description: "How activations lie over the ranks",
    },
    batch: { type: "string", valueHint: "N", description: "Pictures over all replicas" },
  },
  async run({ args, output }) {
    const [dataParallel, tensorParallel] = meshOf(args.ranks);
    const dtype = (args.dtype ?? "bfloat16") as ModuleDType;
    if (!MODULE_DTYPES.includes(dtype)) throw usage(`unknown dtype ${dtype}`);
    const config = existsSync(args.model)
      ? parseConfig((readConfig(args.model) ?? {}) as object)
      : variant(args.model.replace(/^ViT-/, "") as ViT22BVariant);
    const options = {
      tensorParallel,
      dataParallel,
      layout: args.layout as Layout,
      dtype,
      batch: wholeNumber("batch", args.batch, { least: 1 }),
    };
    const plan = planOf(config, options);
    const counted = dryRun(config, options);
    output.result({ ...plan, counted }, describe(args.model, plan, counted));
  },
});

function meshOf(ranks: string): [data: number, tensor: number] {
  const match = /^(?:([1-9]\d*)x)?([1-9]\d*)$/.exec(ranks);
  if (match) return [Number(match[1] ?? 1), Number(match[2])];
  throw usage(`expected a number of ranks, or two as in 8x4, for --ranks but received ${ranks}`);
}

function describe(
  model: string,
  plan: Plan,
  counted: Pick<Plan, "parameterBytes" | "traffic">,
): string {
  const lines = [
    `${model}, ${plan.dtype}, on ${plan.ranks} ranks: ${plan.dataParallel} replicas of ` +
      `${plan.tensorParallel}, layout ${plan.layout}`,
    `each rank, for ${plan.batch} pictures of ${plan.tokens} tokens:`,
    `  weights      ${inBytes(plan.parameterBytes)}, counted ${inBytes(counted.parameterBytes)}`,
    `  activations  ${inBytes(plan.activationBytes)} at most at a time`,
    `  computes     ${(plan.flops / 1e12).toFixed(3)} TFLOP`,
  ];
  for (const [kind, { calls, bytes }] of Object.entries(plan.traffic)) {
    const seen = counted.traffic[kind] ?? { calls: 0, bytes: 0 };
    lines.push(
      `  sends        ${inBytes(bytes)} in ${calls} messages of ${kind}, ` +
        `counted ${inBytes(seen.bytes)} in ${seen.calls}`,
    );
  }
  return lines.join("\n");
}

function inBytes(bytes: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  const power = bytes < 1000 ? 0 : Math.min(Math.floor(Math.log10(bytes) / 3), units.length - 1);
  return `${(bytes / 1000 ** power).toFixed(power === 0 ? 0 : 2)} ${units[power]}`;
}
