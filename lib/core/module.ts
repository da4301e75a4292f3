import { resolve } from "node:path";
import type { JobOptions, LoadedModule, ModuleId, NativeValue, TensorId } from "../native/addon.js";
import { configText } from "./config.js";
import { disposable } from "./disposable.js";
import { invalidArgument, TorchsightError } from "./errors.js";
import type { Job, JobControl, Progress } from "./job.js";
import { startJob, type Work } from "./jobs.js";
import { idsOf, type NamedTensors, namedTensors } from "./named.js";
import { callNative, native } from "./runtime.js";
import type { MethodSchema, ModuleDescription, ParameterInfo } from "./schema.js";
import { Session } from "./session.js";
import type { Tensor } from "./tensor.js";

/** Types of one method: its named inputs, outputs, options and streamed items. */
export interface MethodTypes {
  inputs: object;
  outputs: object;
  args: object;
  item: object;
}

/** The methods of a module whose types nobody declared: any names. */
export type AnyMethods = Record<
  string,
  {
    inputs: Record<string, Tensor | undefined>;
    outputs: Record<string, Tensor>;
    args: Record<string, unknown>;
    item: Record<string, Tensor>;
  }
>;

/** How a method is called. */
export interface CallOptions<Args = Record<string, unknown>> extends JobControl {
  /** The method's own options, by the names of its schema. */
  args?: Args | undefined;
  /** Names of activations to give back as well, or `["all"]`. */
  taps?: readonly string[] | undefined;
  /**
   * A file to write what happened when to, for Chrome's trace viewer or Perfetto: layers, products
   * and messages between ranks. Only sharded models and ViT-22B tell.
   */
  trace?: string | undefined;
  onProgress?: ((progress: Progress) => void) | undefined;
}

/** Outputs by name; `using` frees all of them and the taps. */
export type CallResult<Outputs = Record<string, Tensor>> = Outputs & {
  /** The activations that were asked for. */
  readonly taps: Record<string, Tensor>;
} & Disposable;

/** How a module is saved. */
export interface SaveOptions extends JobControl {
  /**
   * Bytes of one file at most; larger models get an index. Default 5e9. A sharded module has one
   * file for each rank, however large.
   */
  shardBytes?: number | undefined;
  onProgress?: ((progress: Progress) => void) | undefined;
}

/** Closes modules that were collected without being disposed of. */
const collected = new FinalizationRegistry<ModuleId>((id) => native().closeModule(id));

/**
 * A native model with a table of methods. It owns the weights: dispose of it when done. Jobs that
 * run keep what they need, so a module may be disposed of at any time; new calls are then refused
 * with `DISPOSED`.
 *
 * @typeParam M - types of the methods, where a system declares them
 *
 * @example
 * ```ts
 * await using model = await load("models/vit");
 * using result = await model.call("encode", { pixel_values: pixels }, { taps: ["blocks.0"] });
 * ```
 */
export class Module<M extends { [K in keyof M]: MethodTypes } = AnyMethods> {
  /** The complete config that the module was made of. */
  readonly config: Readonly<Record<string, unknown>>;
  /** Schemas by name of the method. */
  readonly methods: Readonly<Record<string, MethodSchema>>;
  /** Names of activations that calls may ask for. */
  readonly taps: readonly string[];
  /** Every tensor of the checkpoint contract. */
  readonly parameters: readonly ParameterInfo[];
  /** The rank of this process among those of a launcher that the module is joined with, else 0. */
  readonly rank: number;

  readonly #id: ModuleId;
  readonly #sessions = new Set<Session>();
  #running = 0;
  #disposed = false;
  #closed: (() => void)[] = [];

  /** @internal Made by `load`. */
  constructor(loaded: LoadedModule, config: Record<string, unknown>, rank = 0) {
    const description = JSON.parse(loaded.description) as ModuleDescription;
    this.#id = loaded.module;
    this.config = config;
    this.methods = Object.fromEntries(description.methods.map((schema) => [schema.name, schema]));
    this.taps = description.taps;
    this.parameters = description.parameters;
    this.rank = rank;
    collected.register(this, loaded.module, this);
  }

  /** Process ids of the workers of an isolated or sharded module, rank by rank; else empty. */
  get pids(): readonly number[] {
    return callNative((addon) => addon.modulePids(this.#use()));
  }

  /**
   * Runs a method as a job. Inputs stay the caller's, and refuse in-place changes until the job has
   * settled; the outputs belong to the caller.
   */
  call<N extends keyof M & string>(
    method: N,
    inputs: M[N]["inputs"],
    options: CallOptions<M[N]["args"]> = {},
  ): Job<CallResult<M[N]["outputs"]>, Progress, M[N]["item"] & Disposable> {
    const { args = {}, taps = [], trace, onProgress, ...control } = options;
    const run = (jobOptions: JobOptions) => {
      const named = idsOf(inputs as Record<string, Tensor | undefined>);
      const text = JSON.stringify(args);
      const file = trace === undefined ? "" : resolve(trace);
      return native().submitCall(this.#use(), method, named, text, [...taps], file, jobOptions);
    };
    const decode = (value: NativeValue) =>
      this.#split(method, namedTensors(value as [string, TensorId][]));
    const job = this.#start({ submit: run, decode, decodeItem: namedTensors }, control, onProgress);
    return job as unknown as Job<CallResult<M[N]["outputs"]>, Progress, M[N]["item"] & Disposable>;
  }

  /**
   * Writes `config.json` and the weights, under the names of the checkpoint contract, into
   * `folder`. The folder is made if it is missing. Each rank of a sharded module writes a file of
   * its own parts; the manifest that makes one checkpoint of them comes last, so a save that did
   * not end leaves no weights that could be loaded. Any number of ranks can load it again. Of
   * several replicas the first one is written.
   */
  save(folder: string, options: SaveOptions = {}): Job<void> {
    const { shardBytes = 5e9, onProgress, ...control } = options;
    const run = (jobOptions: JobOptions) => {
      if (!(shardBytes > 0)) throw invalidArgument("shardBytes", "a number above 0", shardBytes);
      const config = configText(this.config);
      return native().submitSave(this.#use(), resolve(folder), shardBytes, config, jobOptions);
    };
    return this.#start<void, never>({ submit: run, decode: () => {} }, control, onProgress);
  }

  /** Opens native state of that kind, such as a cache. Throws `NOT_FOUND` where there is none. */
  openSession(kind: string, args: Record<string, unknown> = {}): Session {
    const text = JSON.stringify(args);
    const id = callNative((addon) => addon.openSession(this.#use(), kind, text));
    const session = new Session(id, () => this.#sessions.delete(session));
    this.#sessions.add(session);
    return session;
  }

  /** Whether {@link dispose} was called. */
  get disposed(): boolean {
    return this.#disposed;
  }

  /**
   * Closes the module's sessions and frees the weights, once the jobs that run have settled. New
   * calls are refused at once.
   */
  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    for (const session of this.#sessions) session.dispose();
    this.#closeIfIdle();
  }

  /** As {@link dispose}, for `using`. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  /** As {@link dispose}, and waits until the weights are free. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.dispose();
    if (this.#running > 0) await new Promise<void>((resolve) => this.#closed.push(resolve));
  }

  #use(): ModuleId {
    if (this.#disposed) throw new TorchsightError("DISPOSED", "the module was disposed of");
    return this.#id;
  }

  /** Starts a job that keeps the native module until it has settled. */
  #start<T, S>(
    work: Work<T, S>,
    control: JobControl,
    onProgress: ((progress: Progress) => void) | undefined,
  ): Job<T, Progress, S> {
    const job = startJob<T, S>(
      {
        ...work,
        submit: (options) => {
          const id = work.submit(options);
          this.#running += 1;
          return id;
        },
        settled: () => {
          this.#running -= 1;
          this.#closeIfIdle();
        },
      },
      control,
    );
    if (onProgress) job.onProgress(onProgress);
    return job;
  }

  #closeIfIdle(): void {
    if (!this.#disposed || this.#running > 0) return;
    collected.unregister(this);
    native().closeModule(this.#id);
    for (const closed of this.#closed.splice(0)) closed();
  }

  /** Tells outputs from taps: what the schema does not name was asked for. */
  #split(method: string, tensors: NamedTensors): CallResult {
    const names = new Set(this.methods[method]?.outputs.map((output) => output.name));
    const entries = Object.entries(tensors);
    const taps = Object.fromEntries(entries.filter(([name]) => !names.has(name)));
    const outputs = Object.fromEntries(entries.filter(([name]) => names.has(name)));
    return disposable({ ...outputs, taps }) as CallResult;
  }
}
