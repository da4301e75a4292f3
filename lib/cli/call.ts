import { isProgram } from "../core/checkpoint.js";
import { readTensors, writeTensors } from "../core/files.js";
import type { Job } from "../core/job.js";
import { type LoadOptions, load } from "../core/load.js";
import type { CallResult, Module } from "../core/module.js";
import { ops } from "../core/ops.js";
import { Program } from "../core/program.js";
import type { Tensor } from "../core/tensor.js";
import "../models/index.js";
import { parseSettings, usage } from "./arguments.js";
import { defineCommand } from "./command.js";
import { loadOptions, MODEL_ARGS } from "./model_args.js";

const FLOATING = ["float16", "bfloat16", "float64"];

export default defineCommand({
  name: "call",
  description: "Calls a method of a model on tensors of a file",
  args: {
    dir: { type: "positional", description: "The model's folder, or a program (.pt2)" },
    method: { type: "positional", description: "The method, e.g. encode" },
    inputs: { type: "string", required: true, valueHint: "FILE", description: "Inputs by name" },
    outputs: { type: "string", required: true, valueHint: "FILE", description: "Where to write" },
    set: { type: "string", valueHint: "NAME=JSON", description: "An option of the method" },
    taps: { type: "string", valueHint: "a,b|all", description: "Activations to write as well" },
    trace: { type: "string", valueHint: "FILE", description: "Write what happened when" },
    "keep-dtype": { type: "boolean", description: "Do not turn results into float32" },
    trust: { type: "boolean", description: "Run the native code of a program" },
    ...MODEL_ARGS,
  },
  many: ["set"],
  async run({ args, lists, output, signal }) {
    const options = loadOptions(args, signal);
    const settings = parseSettings(lists.set ?? []);
    const taps = args.taps?.split(",").filter((name) => name !== "") ?? [];
    using inputs = await readTensors(args.inputs, { signal });
    const bar = output.progress("loading");
    const { onProgress } = bar;
    try {
      const loading = { ...options, onProgress };
      await using model = await (isProgram(args.dir)
        ? loadProgram(args.dir, args.trust ?? false, loading)
        : load(args.dir, loading));
      const started = performance.now();
      const calling = { args: settings, taps, trace: args.trace, signal, onProgress };
      using result = await model.call(args.method, inputs, calling);
      const seconds = (performance.now() - started) / 1000;
      const tensors = written(result, args["keep-dtype"] ?? false);
      await writeTensors(args.outputs, tensors, { signal });
      const rows = Object.entries(tensors).map(([name, { dtype, shape }]) => ({
        name,
        dtype,
        shape,
      }));
      const lines = rows.map(({ name, dtype, shape }) => `${name}  ${dtype} [${shape.join(", ")}]`);
      const text = [...lines, `${args.outputs} in ${seconds.toFixed(3)} s`].join("\n");
      output.result({ file: args.outputs, tensors: rows, seconds }, text);
    } finally {
      bar.stop();
    }
  },
});

/** A package of programs, with the options of a model that mean something for it. */
function loadProgram(path: string, trust: boolean, options: LoadOptions): Job<Module> {
  const { dtype, seed, tensorParallel = 1, ...rest } = options;
  if (dtype !== undefined) throw usage("a program computes in the dtype it was exported with");
  if (seed !== undefined) throw usage("a program has its own weights: --random cannot be given");
  if (tensorParallel > 1) throw usage("a program cannot be split over processes");
  const { device, isolate, threads, signal, onProgress } = rest;
  return Program.load(path, { trust, device, isolate, threads, signal, onProgress });
}

/** Outputs and taps as they go into the file. */
function written(result: CallResult, keepDtype: boolean): Record<string, Tensor> {
  const { taps, ...outputs } = result;
  const named = Object.entries({ ...outputs, ...taps }).map(([name, tensor]) => {
    const host = tensor.device === "cpu" ? tensor : tensor.to("cpu");
    const plain = keepDtype || !FLOATING.includes(host.dtype) ? host : host.to("float32");
    return [name, ops.contiguous(plain)] as const;
  });
  return Object.fromEntries(named);
}
