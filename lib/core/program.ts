import type { LoadedModule, LoadRequest, NativeValue, ProgramRequest } from "../native/addon.js";
import { requireFile } from "./checkpoint.js";
import { checkWholeNumber } from "./checks.js";
import { describeValue, invalidArgument, TorchsightError } from "./errors.js";
import type { Job, JobControl, Progress } from "./job.js";
import { startJob } from "./jobs.js";
import { type AnyMethods, type MethodTypes, Module, type SaveOptions } from "./module.js";
import { native } from "./runtime.js";
import type { ModuleDescription } from "./schema.js";

/** How a program is loaded and where it lives. */
export interface ProgramOptions extends JobControl {
  /**
   * Must be `true`: a package is native code, which runs with all rights of this process. Load only
   * what you have exported yourself or would run as a program.
   */
  trust: boolean;
  /** The one model of the package to load. Default: all of them. */
  model?: string | undefined;
  /** `cuda:1`, …, of the kind that the package was compiled for. Default: the first of it. */
  device?: string | undefined;
  /** Calls of one model that may run at a time. Default 1. */
  runners?: number | undefined;
  /** Runs the code in a process of its own, so that a crash there is only an error here. */
  isolate?: boolean | undefined;
  /** Threads that an isolated program computes with. */
  threads?: number | undefined;
  onProgress?: ((progress: Progress) => void) | undefined;
}

/**
 * Any model that PyTorch has exported and compiled ahead of time
 * (`torch._inductor.aoti_compile_and_package`). Each model of the package is a method of its name,
 * the default one is called `forward`; names, dtypes and shapes come from the package.
 *
 * @typeParam M - types of the methods, where you want to declare them
 *
 * @example
 * ```ts
 * await using program = await Program.load("model.pt2", { trust: true, isolate: true });
 * using result = await program.call("forward", { x: tensor([[1, 2, 3]]) });
 * ```
 */
export class Program<M extends { [K in keyof M]: MethodTypes } = AnyMethods> extends Module<M> {
  /** What the package tells of each method: its device, its machine, and what its author added. */
  readonly metadata: Readonly<Record<string, Readonly<Record<string, string>>>>;

  /** @internal Made by {@link Program.load}. */
  constructor(loaded: LoadedModule) {
    super(loaded, {});
    this.metadata = (JSON.parse(loaded.description) as ModuleDescription).metadata ?? {};
  }

  /**
   * Loads a package. The job rejects with `BAD_INPUT` and the reason `NOT_TRUSTED` without `trust`,
   * with `NOT_FOUND`, with `BAD_CHECKPOINT` for files that are damaged or no packages, and with
   * `UNSUPPORTED` for code of another machine, another libtorch or a device that is not here.
   */
  static load<M extends { [K in keyof M]: MethodTypes } = AnyMethods>(
    path: string,
    options: ProgramOptions,
  ): Job<Program<M>> {
    // From JavaScript, options may be missing as a whole; that too is told as a lack of trust.
    const given = options ?? ({} as ProgramOptions);
    const job = startJob<Program<M>>(
      {
        submit: (jobOptions) =>
          native().submitLoad(JSON.stringify(requestOf(path, given)), jobOptions),
        decode: (value: NativeValue) => new Program<M>(value as LoadedModule),
      },
      given,
    );
    if (given.onProgress) job.onProgress(given.onProgress);
    return job;
  }

  /** Refused: the weights of a program are part of its code. Copy the package instead. */
  override save(_folder: string, options: SaveOptions = {}): Job<void> {
    const submit = (): never => {
      const message = "a program cannot be saved: its weights are part of its code";
      throw new TorchsightError("UNSUPPORTED", message);
    };
    return startJob<void>({ submit, decode: () => {} }, options);
  }
}

function requestOf(path: string, options: ProgramOptions): LoadRequest {
  if (typeof path !== "string") throw invalidArgument("the program", "a path", path);
  checkOptions(path, options);
  const { trust, model, device = "auto", runners, isolate, threads } = options;
  const program: ProgramRequest = {
    path: requireFile(path),
    trust,
    ...(model !== undefined && { model }),
    ...(device !== "auto" && { device }),
    ...(runners !== undefined && { runners }),
  };
  return {
    config: {},
    device: "cpu",
    dtype: "float32",
    program,
    ...(isolate && { isolate }),
    ...(threads !== undefined && { threads }),
  };
}

function checkOptions(path: string, options: ProgramOptions): void {
  const { trust, model, device, runners, threads } = options;
  if (trust !== true) {
    throw new TorchsightError(
      "BAD_INPUT",
      `expected true for trust but received ${describeValue(trust)}: ${path} holds native code, ` +
        "which runs with all rights of this process; load only what you would run as a program",
      { reason: "NOT_TRUSTED" },
    );
  }
  if (model !== undefined && (typeof model !== "string" || model === "")) {
    throw invalidArgument("model", "the name of a model", model);
  }
  if (device !== undefined && !(typeof device === "string" && /^[a-z]+(:\d+)?$/.test(device))) {
    throw invalidArgument("device", "the name of a device", device);
  }
  checkWholeNumber("runners", runners, 1);
  checkWholeNumber("threads", threads, 1);
}
