/**
 * The addon's whole surface. Nothing outside `lib/native` touches the addon, and every handle that
 * crosses is a plain number: an entry of a table that belongs to this JavaScript environment.
 */

/** A counted handle on a native tensor. Never reused; 0 is not a handle. */
export type TensorId = number;
export type ModuleId = number;
export type SessionId = number;
export type JobId = number;

/** Position in the table of operator overloads, fixed for one libtorch. */
export type OverloadId = number;

export interface TensorInfo {
  /** libtorch's `ScalarType` code. */
  dtype: number;
  shape: number[];
  strides: number[];
  /** In elements, from the start of the storage. */
  offset: number;
  device: string;
  requiresGrad: boolean;
  isLeaf: boolean;
  /** Name of the node that a gradient passes through first, e.g. `AddBackward0`. */
  gradFn: string | null;
}

/** One argument of an operator, as its schema declares it. */
export interface NativeArgument {
  name: string;
  /** As PyTorch prints it: `Tensor`, `Tensor?`, `int[2]`, `ScalarType?`, … */
  type: string;
  keywordOnly: boolean;
  /** Whether the operator writes to this tensor. */
  written: boolean;
  /** Present where the schema has a default; `null` stands for `None`. */
  default?: unknown;
}

export interface NativeOverload {
  id: OverloadId;
  /** Empty for the default overload. */
  overload: string;
  arguments: NativeArgument[];
  returns: { name: string; type: string; written: boolean }[];
}

/**
 * How values cross in operator calls, by schema type: tensors as ids, lists as arrays, `Scalar` as
 * a number (integers become int64), a bigint, a boolean, `{float}` or `{re, im}`, `ScalarType` as
 * its code, `Device` as a string, `Layout` and `MemoryFormat` as codes, `None` as `null`.
 * `undefined` takes the default. Results cross the same way; several results as an array.
 */
export type NativeValue = unknown;

export interface JobOptions {
  /** 0 high, 1 normal, 2 low. */
  priority: number;
  /** Milliseconds from now; 0 for none. */
  deadline: number;
  /** Gradient mode that the job runs under. */
  grad: boolean;
  /** Items that may wait for the reader before the job is held. */
  streamCapacity: number;
}

export interface NativeError {
  code: string;
  message: string;
  reason?: string;
  /** Milliseconds after which a refused job may be tried again. */
  retryAfter?: number;
}

export interface JobStats {
  /** Seconds in the queue and seconds from start to end. */
  queued: number;
  ran: number;
  /** High-water mark of host memory that the job's own allocations reached, in bytes. */
  peakBytes: number;
}

/** What happens to jobs, told on the JavaScript thread through one thread-safe function. */
export interface JobListener {
  started(job: JobId): void;
  progress(job: JobId, done: number, total: number, phase: string): void;
  /** One streamed item; `itemTaken` must follow once the reader has it. */
  item(job: JobId, tensors: [string, TensorId][]): void;
  /** Called exactly once for each job that was accepted. */
  settled(job: JobId, error: NativeError | undefined, value: NativeValue, stats: JobStats): void;
}

export interface LaneCounters {
  submitted: number;
  completed: number;
  failed: number;
  cancelled: number;
  expired: number;
  refused: number;
  queued: number;
  running: number;
  queuedBytes: number;
}

/** Which tensors of files make which parameter; see `native/runtime/load_plan.h`. */
export interface LoadPlan {
  entries: { target: string; sources: unknown[]; steps: unknown[] }[];
}

/** What loading takes; the JSON text of it goes to the core. */
export interface LoadRequest {
  config: unknown;
  device: string;
  dtype: string;
  /** Options of the system itself. */
  extra?: unknown;
  /** Fill from files, or at random where only a seed is given. */
  plan?: LoadPlan;
  seed?: number;
  /** Run in a process of its own, or in one process for each rank. */
  isolate?: boolean;
  tensorParallel?: number;
  dataParallel?: number;
  /** How ranks are joined: `gloo` processes, or `local` threads of this one. */
  group?: string;
  /** This process is to be one of the ranks itself. */
  join?: JoinRequest;
  /** Why such a process cannot load, in place of a plan: it tells the other ranks. */
  failure?: { code: string; message: string; reason: string };
  /** Milliseconds before a collective is given up. */
  collectiveTimeout?: number;
  threads?: number;
  /** A package of compiled programs, opened in place of a model of this package. */
  program?: ProgramRequest;
}

/** A package that PyTorch has exported and compiled ahead of time. */
export interface ProgramRequest {
  /** Absolute path of the archive. */
  path: string;
  /** Whether its native code may run; refused otherwise. */
  trust: boolean;
  /** The one model to load; all of them where it is left out. */
  model?: string;
  /** A device of the kind that it was compiled for. */
  device?: string;
  /** Calls of one model that may run at a time. Default 1. */
  runners?: number;
}

/** What re-sharding takes; the JSON text of it goes to the core. */
export interface ReshardRequest {
  config: unknown;
  plan: LoadPlan;
  /** 1 for an ordinary checkpoint. */
  ranks: number;
  /** Options of the system itself, with the layout. */
  extra: unknown;
  folder: string;
  /** Bytes of one file of an ordinary checkpoint at most; 0 for no limit. */
  shardBytes: number;
  /** The text of config.json. */
  configText: string;
}

/** How one process of a launcher meets the others. */
export interface JoinRequest {
  /** Among all processes of the launcher. */
  rank: number;
  size: number;
  /** Among the processes of this machine; decides on the card of device `cuda`. Default: `rank`. */
  localRank?: number;
  /** So many consecutive ranks compute one module. */
  together: number;
  /** Where the ranks meet. */
  host: string;
  port: number;
  /** Whether this process is to serve the store there. */
  serves: boolean;
  /** How often the launcher has started all ranks before; the store may have outlived them. */
  attempt?: number;
  /** The interface or address to listen on; left out, the way to `host`. */
  listen?: string;
  /** Milliseconds for all ranks to come. */
  timeout?: number;
  /** What must be the same on all ranks, by names that messages show. */
  alike: Record<string, string>;
}

export interface LoadedModule {
  module: ModuleId;
  /**
   * JSON text: `{methods: MethodSchema[], taps: string[], parameters: {name, shape, dtype}[]}`, and
   * `metadata: {method: {key: text}}` of a program.
   */
  description: string;
}

export interface Addon {
  /** Must be called once per environment, before anything else. */
  initialize(listener: JobListener, workerPath: string, libtorchPath: string): void;
  /** `cuda` tells what torchsight_cuda was built with; null where it is not there. */
  versions(): { addon: string; libtorch: string; cuda: string | null };

  /** Copies `data` (of any typed array) into a new CPU tensor. */
  tensorFrom(data: ArrayBufferView, dtype: number, shape: number[]): TensorId;
  tensorInfo(tensor: TensorId): TensorInfo;
  /** The elements in row-major order as bytes. CPU tensors only. */
  tensorBytes(tensor: TensorId): ArrayBuffer;
  /** Frees the handle. Unknown handles are ignored, so freeing twice is harmless. */
  tensorFree(tensor: TensorId): void;
  tensorSetRequiresGrad(tensor: TensorId, value: boolean): void;
  tensorGrad(tensor: TensorId): TensorId | null;
  tensorSetGrad(tensor: TensorId, grad: TensorId | null): void;
  tensorVersion(tensor: TensorId): number;
  /** Live handles and bytes they keep alive, as V8 has been told. */
  tensorCounters(): { tensors: number; bytes: number };

  /** Names of all operators, as `aten::add`. */
  operatorNames(): string[];
  overloads(operator: string): NativeOverload[];
  call(overload: OverloadId, ...values: NativeValue[]): NativeValue;
  /** Sets the gradient mode of this thread. */
  setGrad(enabled: boolean): void;
  manualSeed(seed: number): void;

  submitOperator(overload: OverloadId, values: NativeValue[], options: JobOptions): JobId;
  /** Settles with an ArrayBuffer of the elements in row-major order. */
  submitRead(tensor: TensorId, options: JobOptions): JobId;
  submitBackward(
    tensors: TensorId[],
    gradients: (TensorId | null)[],
    retainGraph: boolean,
    createGraph: boolean,
    options: JobOptions,
  ): JobId;
  /** Settles with the gradients of `outputs` with respect to `inputs`, `TensorId | null` each. */
  submitGrad(
    outputs: TensorId[],
    gradients: (TensorId | null)[],
    inputs: TensorId[],
    retainGraph: boolean,
    createGraph: boolean,
    allowUnused: boolean,
    options: JobOptions,
  ): JobId;
  /** Settles with a {@link LoadedModule}. `request` is the JSON text of a {@link LoadRequest}. */
  submitLoad(request: string, options: JobOptions): JobId;
  /**
   * Settles with `[name, TensorId][]`. `args` is the JSON text of the method's options; `trace` is
   * the file to write a timeline to, or empty.
   */
  submitCall(
    module: ModuleId,
    method: string,
    inputs: [string, TensorId][],
    args: string,
    taps: string[],
    trace: string,
    options: JobOptions,
  ): JobId;
  submitSessionCall(
    session: SessionId,
    method: string,
    inputs: [string, TensorId][],
    args: string,
    options: JobOptions,
  ): JobId;
  /**
   * Writes `config`, the text of config.json, and the module's parameters as safetensors: in shards
   * of at most `shardBytes`, or in one file for each rank of a sharded module.
   */
  submitSave(
    module: ModuleId,
    folder: string,
    shardBytes: number,
    config: string,
    options: JobOptions,
  ): JobId;
  /** `request` is the JSON text of a {@link ReshardRequest}. */
  submitReshard(request: string, options: JobOptions): JobId;
  /** Settles with `[name, TensorId][]`, the named tensors of one safetensors file. */
  submitReadFile(path: string, names: string[], options: JobOptions): JobId;
  submitWriteFile(
    path: string,
    tensors: [string, TensorId][],
    metadata: string,
    options: JobOptions,
  ): JobId;

  cancelJob(job: JobId): void;
  itemTaken(job: JobId): void;
  laneCounters(): LaneCounters;
  /** Bounds of the queue; jobs beyond them are refused with `QUEUE_FULL`. */
  setLaneLimits(limits: { jobs?: number; bytes?: number; threads?: number }): void;

  openSession(module: ModuleId, kind: string, args: string): SessionId;
  /** JSON text of the session's method schemas. */
  sessionDescription(session: SessionId): string;
  sessionSnapshot(session: SessionId): [string, TensorId][];
  sessionRestore(session: SessionId, state: [string, TensorId][]): void;
  closeSession(session: SessionId): void;
  closeModule(module: ModuleId): void;
  /** The process ids of an isolated or sharded module's workers, rank by rank. */
  modulePids(module: ModuleId): number[];

  /**
   * What a safetensors file, an index, a manifest of ranks, an npz or a folder with any of them
   * holds, from headers alone. JSON text: `{files, tensors: [{name, dtype, shape, bytes, file}],
   * metadata, parameters}`; with a manifest also `config`, and `{cut, pieces: [{file, begin,
   * length}]}` for tensors that lie in pieces. Throws `BAD_CHECKPOINT`.
   */
  inspect(path: string): string;
  modelTypes(): string[];
  /** JSON text as in {@link LoadedModule.description}, of a module on the meta device. */
  describeModel(config: string): string;
  /**
   * JSON text: what one rank of many would hold and send, `{parameters, parameterBytes, traffic:
   * {kind: {calls, bytes}}}`. `request`: `{config, dtype, extra, ranks, rank, method, inputs:
   * [{name, dtype, shape}]}`.
   */
  dryRun(request: string): string;
  devices(): { name: string; memory: number; model?: string }[];
  /** Throws `UNSUPPORTED` where libtorch cannot compute on the device, with what is missing. */
  requireDevice(device: string): void;
  /** Bytes that this process has of a device, and those of the device itself. */
  deviceMemory(device: string): {
    allocated: number;
    reserved: number;
    peak: number;
    free: number;
    total: number;
  };
  /** Host memory in bytes: live tensors, the most there were, freed blocks that are kept. */
  memory(): { live: number; peak: number; cached: number };
  /** Gives cached memory back: of one device, or of the host and all of them. */
  emptyCache(device?: string): void;
  setThreads(threads: number): void;
  threads(): number;
}
