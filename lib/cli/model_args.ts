/** Options of every command that runs a model. */
import type { ArgsDef } from "citty";
import type { LoadOptions, ModuleDType } from "../core/load.js";
import { native } from "../core/runtime.js";
import { deviceName, wholeNumber } from "./arguments.js";

export const MODEL_ARGS = {
  random: { type: "boolean", description: "Draw the weights from --seed and read no files" },
  isolate: { type: "boolean", description: "Run the model in a process of its own" },
  "tensor-parallel": {
    type: "string",
    valueHint: "N",
    description: "Split the model over N processes",
  },
  layout: {
    type: "enum",
    options: ["tokens", "features", "replicated"],
    default: "tokens",
    description: "How activations lie over the processes",
  },
} as const satisfies ArgsDef;

/** The values of {@link MODEL_ARGS} and of the common options that a model needs. */
export interface ModelValues {
  readonly device: string;
  readonly dtype?: string | undefined;
  readonly threads?: string | undefined;
  readonly seed?: string | undefined;
  readonly random?: boolean | undefined;
  readonly isolate?: boolean | undefined;
  readonly "tensor-parallel"?: string | undefined;
  readonly layout?: string | undefined;
}

/** How the model is to be loaded. Throws `USAGE` for values that mean nothing. */
export function loadOptions(args: ModelValues, signal: AbortSignal): LoadOptions {
  const threads = wholeNumber("threads", args.threads, { least: 1 });
  const seed = wholeNumber("seed", args.seed) ?? 0;
  const device = deviceName(args.device);
  const tensorParallel = wholeNumber("tensor-parallel", args["tensor-parallel"], { least: 1 });
  if (threads !== undefined) native().setThreads(threads);
  return {
    device,
    signal,
    threads,
    tensorParallel,
    dtype: args.dtype as ModuleDType | undefined,
    isolate: args.isolate,
    // Layouts that are yet to come are refused by `load`, with a code of their own.
    layout: args.layout as LoadOptions["layout"],
    seed: args.random ? seed : undefined,
  };
}
