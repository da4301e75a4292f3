import { isLaunchOption, joinRequest, type LaunchOption } from "../launch/join.js";
import type { LoadedModule, LoadRequest, NativeValue } from "../native/addon.js";
import {
  type Checkpoint,
  openCheckpoint,
  readConfig,
  resolveModel,
  weightsFile,
} from "./checkpoint.js";
import { checkOneOf, checkWholeNumber } from "./checks.js";
import { describeValue, invalidArgument, TorchsightError } from "./errors.js";
import type { Job, JobControl, Progress } from "./job.js";
import { startJob } from "./jobs.js";
import { type AnyMethods, type MethodTypes, Module } from "./module.js";
import type { LoadPlan } from "./plan.js";
import { native } from "./runtime.js";
import type { ModuleDescription } from "./schema.js";
import { allSystems, findSystem, type System } from "./systems.js";
import { detectDialect, resolvePlan, type TensorIndex } from "./weights.js";

/** The dtypes that a module may compute in. */
export const MODULE_DTYPES = ["float32", "bfloat16", "float16", "float64"] as const;
export type ModuleDType = (typeof MODULE_DTYPES)[number];

/**
 * What each rank of a sharded module has of the activations: some of the tokens, some of the
 * features, or all.
 */
export const LAYOUTS = ["tokens", "features", "replicated"] as const;
export type Layout = (typeof LAYOUTS)[number];

/** How ranks are joined: processes over Gloo, or threads of this process. */
export const GROUPS = ["gloo", "local"] as const;
export type GroupKind = (typeof GROUPS)[number];

/** How messages between ranks and products share the time: `auto` decides by size. */
export const OVERLAPS = ["auto", "ring", "none"] as const;
export type Overlap = (typeof OVERLAPS)[number];

/** How a module is made and where it lives. */
export interface LoadOptions extends JobControl {
  /**
   * `cpu`, `cuda:0`, …, or `auto` for an accelerator if there is one. `cuda` is the first card, or
   * one for each process of a model over several; ranks of the group `local` share one. Default
   * `cpu`.
   */
  device?: string | undefined;
  /** What weights are converted to and computed in. Default `float32`. */
  dtype?: ModuleDType | undefined;
  /** Fills the weights at random from this seed and reads no files. */
  seed?: number | undefined;
  /** Fields that replace those of the model's config. */
  config?: Record<string, unknown> | undefined;
  /** Runs the model in a process of its own, so that a crash there is only an error here. */
  isolate?: boolean | undefined;
  /** Splits the model over this many ranks. */
  tensorParallel?: number | undefined;
  /** Splits batches over this many replicas, each of `tensorParallel` ranks. */
  dataParallel?: number | undefined;
  /**
   * How ranks are joined. Default `gloo`: a process is started for each. With `launcher`, or a
   * group told in full, nothing is started: this process is one of the ranks, and all of them must
   * load the same and make the same calls in the same order. `tensorParallel` ranks in a row then
   * compute one model (default: all): there may be several replicas, one for each such row.
   */
  group?: GroupKind | LaunchOption | undefined;
  /** Default `tokens`. */
  layout?: Layout | undefined;
  /** Default `auto`. The numbers are the same, bit for bit. */
  overlap?: Overlap | undefined;
  /** Pieces in which each message travels. Default 1. */
  pieces?: number | undefined;
  /** Milliseconds before a collective between ranks fails with `COLLECTIVE_TIMEOUT`. */
  collectiveTimeout?: number | undefined;
  /**
   * Threads that an isolated or sharded model computes with, per rank. Default: an equal share of
   * this process's, over all ranks of all replicas.
   */
  threads?: number | undefined;
  /** Options of the system's native module, e.g. `{ fuse: false }`. */
  extra?: Record<string, unknown> | undefined;
  onProgress?: ((progress: Progress) => void) | undefined;
}

/**
 * Loads a model: a folder with `config.json` and weights, a file of weights, the name of a model
 * that ships with the package, or `org/name[@revision]` in the cache of the Hugging Face hub, where
 * `pull` puts it. The network is not used. The job rejects with `NOT_FOUND`, `BAD_CONFIG`,
 * `BAD_CHECKPOINT`, or `UNSUPPORTED` for a model type that is not known.
 *
 * @example
 * ```ts
 * await using model = await load("models/vit", { dtype: "bfloat16", isolate: true });
 * ```
 */
export function load<M extends { [K in keyof M]: MethodTypes } = AnyMethods>(
  pathOrName: string,
  options: LoadOptions = {},
): Job<Module<M>> {
  return start(() => {
    if (typeof pathOrName !== "string") {
      throw invalidArgument("the model", "a path or a name", pathOrName);
    }
    return openModel(resolveModel(pathOrName), options);
  }, options);
}

/** Makes a model of a config alone, its weights drawn from `seed` (default 0). */
export function createModule<M extends { [K in keyof M]: MethodTypes } = AnyMethods>(
  config: object,
  options: LoadOptions = {},
): Job<Module<M>> {
  return start(() => {
    const { system, config: complete } = checkConfig({ ...config, ...options.config });
    return { system, config: complete, seed: options.seed ?? 0 };
  }, options);
}

/** Everything that is known of a model before its weights are read. */
export interface Opened {
  system: System;
  config: Record<string, unknown>;
  plan?: LoadPlan;
  seed?: number;
}

function start<M extends { [K in keyof M]: MethodTypes }>(
  open: () => Opened,
  options: LoadOptions,
): Job<Module<M>> {
  let config: Record<string, unknown> = {};
  let rank = 0;
  const job = startJob<Module<M>>(
    {
      submit: (jobOptions) => {
        checkOptions(options);
        const request = openedRequest(open, options);
        config = request.config as Record<string, unknown>;
        rank = request.join?.rank ?? 0;
        return native().submitLoad(JSON.stringify(request), jobOptions);
      },
      decode: (value: NativeValue) => new Module<M>(value as LoadedModule, config, rank),
    },
    options,
  );
  if (options.onProgress) job.onProgress(options.onProgress);
  return job;
}

/**
 * The request for what `open` finds. A process that is one of the ranks meets the others even where
 * it finds nothing that can be loaded: they would else wait for it, and not know why.
 */
function openedRequest(open: () => Opened, options: LoadOptions): LoadRequest {
  const { group } = options;
  try {
    return requestOf(open(), options);
  } catch (error) {
    if (!isLaunchOption(group) || !(error instanceof TorchsightError)) throw error;
    if (error.code === "RENDEZVOUS") throw error;
    const { code, message, reason = "" } = error;
    return {
      ...joinedRequestOf({ config: {} }, options, group),
      failure: { code, message, reason },
    };
  }
}

/** What a request needs of a model. */
type Found = Pick<Opened, "config" | "plan" | "seed">;

function requestOf(opened: Found, options: LoadOptions): LoadRequest {
  const { group } = options;
  if (isLaunchOption(group)) return joinedRequestOf(opened, options, group);
  const { dtype = "float32", isolate, tensorParallel = 1, dataParallel = 1 } = options;
  const { collectiveTimeout, threads, layout, overlap, pieces } = options;
  const sharding = { layout, overlap, pieces };
  const extra = tensorParallel > 1 ? { ...sharding, ...options.extra } : options.extra;
  return {
    config: opened.config,
    device: deviceOf(options, tensorParallel * dataParallel > 1),
    dtype,
    ...(extra && { extra }),
    ...(opened.plan && { plan: opened.plan }),
    ...(opened.seed !== undefined && { seed: opened.seed }),
    ...(isolate && { isolate }),
    ...(tensorParallel > 1 && { tensorParallel, ...(group && { group }) }),
    ...(dataParallel > 1 && { dataParallel }),
    ...(collectiveTimeout !== undefined && { collectiveTimeout }),
    ...(threads !== undefined && { threads }),
  };
}

/** The request of a process that is one of the ranks itself. */
function joinedRequestOf(opened: Found, options: LoadOptions, group: LaunchOption): LoadRequest {
  const { tensorParallel, layout, overlap, pieces } = options;
  const { addon, libtorch } = native().versions();
  const extra = { layout, overlap, pieces, ...options.extra };
  const device = deviceOf(options, true);
  const alone = { ...options, extra, device, group: undefined, tensorParallel: 1 };
  const request = requestOf(opened, alone);
  const alike = {
    torchsight: addon,
    libtorch,
    tensorParallel: String(tensorParallel ?? "all ranks"),
    device: device.replace(NUMBER, ""),
    collectiveTimeout: String(options.collectiveTimeout ?? "default"),
  };
  return { ...request, join: joinRequest(group, tensorParallel, alike) };
}

/** The number of a card, in the name of a device. */
const NUMBER = /:\d+$/;

/** What `auto` stands for; no card by its number where there are `several` ranks, one for each. */
function deviceOf({ device = "cpu" }: LoadOptions, several: boolean): string {
  if (device !== "auto") return device;
  const accelerator = native()
    .devices()
    .find(({ name }) => name !== "cpu");
  if (!accelerator) return "cpu";
  return several ? accelerator.name.replace(NUMBER, "") : accelerator.name;
}

/** @internal What a model's folder or file says of it. */
export function openModel(path: string, options: LoadOptions): Opened {
  const given = readConfig(path);
  if (options.seed !== undefined) {
    const { system, config } = checkConfig({ ...configOf(given, path), ...options.config });
    return { system, config, seed: options.seed };
  }
  const file = weightsFile(path);
  const checkpoint = openCheckpoint(file);
  const tensors = indexOf(checkpoint);
  const found = given === undefined ? (checkpoint.config ?? undefined) : given;
  const raw = found === undefined ? inferConfig(tensors, path) : configOf(found, path);
  const { system, config } = checkConfig({ ...raw, ...options.config });
  return { system, config, plan: planFor(system, config, tensors, file) };
}

/** The plan that fills a system's module from a checkpoint. Throws `BAD_CHECKPOINT`. */
function planFor(
  system: System,
  config: Record<string, unknown>,
  tensors: TensorIndex,
  file: string,
): LoadPlan {
  const dialect = detectDialect(system.dialects, tensors, file);
  const { parameters } = JSON.parse(
    native().describeModel(JSON.stringify(config)),
  ) as ModuleDescription;
  const rules = dialect.rules(config, tensors);
  return resolvePlan(parameters, rules, tensors, file, dialect.ignores?.(tensors, config));
}

function indexOf(checkpoint: Checkpoint): TensorIndex {
  return new Map(checkpoint.tensors.map((tensor) => [tensor.name, tensor]));
}

function configOf(given: unknown, path: string): Record<string, unknown> {
  if (given === undefined) {
    throw new TorchsightError("BAD_CONFIG", `expected a config.json in ${path} but found none`);
  }
  if (typeof given !== "object" || given === null || Array.isArray(given)) {
    throw new TorchsightError(
      "BAD_CONFIG",
      `expected an object in ${path}'s config.json but received ${describeValue(given)}`,
    );
  }
  return given as Record<string, unknown>;
}

/** A config read off the shapes, for files of public code bases that come without one. */
function inferConfig(tensors: TensorIndex, path: string): Record<string, unknown> {
  for (const { modelTypes, dialects } of allSystems()) {
    const dialect = dialects.find((one) => one.inferConfig && one.detect(tensors));
    if (dialect?.inferConfig) {
      return { model_type: modelTypes[0], ...(dialect.inferConfig(tensors) as object) };
    }
  }
  return configOf(undefined, path);
}

function checkConfig(raw: Record<string, unknown>): {
  system: System;
  config: Record<string, unknown>;
} {
  const { model_type: modelType } = raw;
  const system = typeof modelType === "string" ? findSystem(modelType) : undefined;
  if (!system) {
    const known = allSystems().flatMap((one) => one.modelTypes);
    throw new TorchsightError(
      typeof modelType === "string" ? "UNSUPPORTED" : "BAD_CONFIG",
      `expected one of ${known.join(", ")} for model_type but received ${describeValue(modelType)}`,
    );
  }
  return { system, config: system.parseConfig(raw) as Record<string, unknown> };
}

function checkOptions(options: LoadOptions): void {
  const { device, dtype, seed, tensorParallel, dataParallel, collectiveTimeout, threads } = options;
  if (device !== undefined && typeof device !== "string") {
    throw invalidArgument("device", "the name of a device", device);
  }
  checkOneOf("dtype", dtype, MODULE_DTYPES);
  checkOneOf("layout", options.layout, LAYOUTS);
  if (!isLaunchOption(options.group)) checkOneOf("group", options.group, [...GROUPS, "launcher"]);
  else checkJoining(options);
  checkOneOf("overlap", options.overlap, OVERLAPS);
  checkWholeNumber("seed", seed, 0);
  checkWholeNumber("tensorParallel", tensorParallel, 1);
  checkWholeNumber("dataParallel", dataParallel, 1);
  checkWholeNumber("pieces", options.pieces, 1);
  checkWholeNumber("collectiveTimeout", collectiveTimeout, 1);
  checkWholeNumber("threads", threads, 1);
}

/** Processes of a launcher are neither started nor watched from here. */
function checkJoining({ isolate, dataParallel = 1, threads }: LoadOptions): void {
  const given = {
    isolate: isolate || undefined,
    dataParallel: dataParallel > 1 || undefined,
    threads,
  };
  for (const [name, value] of Object.entries(given)) {
    if (value === undefined) continue;
    throw invalidArgument(name, "no value beside the group of a launcher", value);
  }
}
