/** Jobs with a known behaviour, and ways of watching jobs. */
import { setTimeout as sleep } from "node:timers/promises";
import {
  createModule,
  type Job,
  type JobControl,
  type LoadOptions,
  type Module,
  type Progress,
  type Tensor,
  TorchsightError,
} from "torchsight";

/** Methods of the native module that exists for tests. */
export interface DiagnosticMethods {
  echo: Method<{ x: Tensor }, { x: Tensor }, object>;
  wait: Method<object, object, { seconds: number; step?: number }>;
  all_reduce: Method<object, { sum: Tensor }, { n?: number; seconds?: number }>;
  abort: Method<object, object, object>;
}

interface Method<Inputs extends object, Outputs extends object, Args extends object> {
  inputs: Inputs;
  outputs: Outputs;
  args: Args;
  item: object;
}

export type Diagnostics = Module<DiagnosticMethods>;

/** Loads that module. */
export function diagnostics(options: LoadOptions = {}): Job<Diagnostics> {
  return createModule<DiagnosticMethods>({ model_type: "torchsight_diagnostics" }, options);
}

/** Keeps the device busy for so many seconds, with a checkpoint after every `step` of them. */
export function wait(
  module: Diagnostics,
  seconds: number,
  step: number,
  control: JobControl = {},
): Job<unknown, Progress, object> {
  return module.call("wait", {}, { ...control, args: { seconds, step } });
}

/** The error that a job ends with. Throws if it ends well or with an error of another kind. */
export async function failureOf(job: PromiseLike<unknown>): Promise<TorchsightError> {
  try {
    await job;
  } catch (error) {
    if (error instanceof TorchsightError) return error;
    throw error;
  }
  throw new Error("expected the job to fail but it ended well");
}

/** Waits until the job runs. */
export async function untilRunning(job: Job<unknown, unknown, unknown>): Promise<void> {
  while (job.state === "queued") await sleep(1);
  if (job.state !== "running") throw new Error(`expected a running job but it is ${job.state}`);
}
