/** Options of every command that runs a model. */
import type { ArgsDef } from "citty";
import {
  GROUPS,
  LAYOUTS,
  type Layout,
  type LoadOptions,
  type ModuleDType,
  OVERLAPS,
  type Overlap,
} from "../core/load.js";
import { native } from "../core/runtime.js";
import { deviceName, wholeNumber } from "./arguments.js";

export const MODEL_ARGS = {
  random: { type: "boolean", description: "Draw the weights from --seed and read no files" },
  isolate: { type: "boolean", description: "Run the model in a process of its own" },
  "tensor-parallel": {
    type: "string",
    valueHint: "N",
    description: "Split the model over N ranks",
  },
  "data-parallel": {
    type: "string",
    valueHint: "N",
    description: "Split batches over N replicas of the model",
  },
  group: {
    type: "enum",
    options: [...GROUPS, "launcher"],
    default: "gloo",
    description: "Ranks are started processes over Gloo, threads, or a launcher's processes",
  },
  layout: {
    type: "enum",
    options: [...LAYOUTS],
    default: "tokens",
    description: "How activations lie over the ranks",
  },
  overlap: {
    type: "enum",
    options: [...OVERLAPS],
    default: "auto",
    description: "Whether products hide messages between ranks",
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
  readonly "data-parallel"?: string | undefined;
  readonly group?: string | undefined;
  readonly layout?: string | undefined;
  readonly overlap?: string | undefined;
}

/** How the model is to be loaded. Throws `USAGE` for values that mean nothing. */
export function loadOptions(args: ModelValues, signal: AbortSignal): LoadOptions {
  const threads = wholeNumber("threads", args.threads, { least: 1 });
  const seed = wholeNumber("seed", args.seed) ?? 0;
  const device = deviceName(args.device);
  const tensorParallel = wholeNumber("tensor-parallel", args["tensor-parallel"], { least: 1 });
  const dataParallel = wholeNumber("data-parallel", args["data-parallel"], { least: 1 });
  if (threads !== undefined) native().setThreads(threads);
  return {
    device,
    signal,
    // A rank of a launcher computes in this process, whose threads are set above.
    threads: args.group === "launcher" ? undefined : threads,
    tensorParallel,
    dataParallel,
    dtype: args.dtype as ModuleDType | undefined,
    isolate: args.isolate,
    group: args.group as LoadOptions["group"],
    layout: args.layout as Layout | undefined,
    overlap: args.overlap as Overlap | undefined,
    seed: args.random ? seed : undefined,
  };
}
