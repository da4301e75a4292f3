import { resolve } from "node:path";
import { openCheckpoint, weightsFile } from "../core/checkpoint.js";
import { LAYOUTS, type Layout } from "../core/load.js";
import { reshard } from "../core/reshard.js";
import "../models/index.js";
import { wholeNumber } from "./arguments.js";
import { defineCommand } from "./command.js";

export default defineCommand({
  name: "reshard",
  description: "Writes a checkpoint as one file for each of several ranks, or as a whole again",
  args: {
    from: { type: "positional", description: "A model's folder, its file of weights, or a name" },
    ranks: {
      type: "string",
      required: true,
      valueHint: "T",
      description: "How many ranks; 1 for an ordinary checkpoint",
    },
    layout: {
      type: "enum",
      options: [...LAYOUTS],
      default: "tokens",
      description: "How activations lie over the ranks",
    },
    out: { type: "string", required: true, valueHint: "DIR", description: "The folder to write" },
  },
  async run({ args, output, signal }) {
    const ranks = Number(wholeNumber("ranks", args.ranks, { least: 1 }));
    const layout = args.layout as Layout;
    const bar = output.progress("resharding");
    try {
      const { onProgress } = bar;
      await reshard(args.from, args.out, { ranks, layout, signal, onProgress });
    } finally {
      bar.stop();
    }
    const { files, tensors } = openCheckpoint(weightsFile(resolve(args.out)));
    const bytes = tensors.reduce((sum, tensor) => sum + tensor.bytes, 0);
    const total = `${tensors.length} tensors, ${(bytes / 1e6).toFixed(1)} MB, in`;
    const text = [`${total} ${args.out}`, ...files.map((file) => `  ${file}`)].join("\n");
    output.result({ out: args.out, ranks, layout, files, tensors: tensors.length, bytes }, text);
  },
});
