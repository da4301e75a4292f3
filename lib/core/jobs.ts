import type { JobId, JobOptions, NativeError, NativeValue, TensorId } from "../native/addon.js";
import { watch } from "./dispatcher.js";
import { invalidArgument, isErrorCode, TorchsightError } from "./errors.js";
import { Job, type JobControl, type Progress } from "./job.js";
import { fromNative, native } from "./runtime.js";
import { captureScope, gradEnabled } from "./scope.js";

/** A piece of native work and how to read what comes back. */
export interface Work<T, S> {
  /** Hands the work to the addon. What it throws rejects the job. */
  submit(options: JobOptions): JobId;
  /** Makes the result of the native value. */
  decode(value: NativeValue): T;
  /** Makes a streamed item of named tensors. Left out by work that streams nothing. */
  decodeItem?(tensors: [string, TensorId][]): S;
  /** Told once when work that was submitted has ended, whatever became of it. */
  settled?(): void;
}

const PRIORITIES = { high: 0, normal: 1, low: 2 } as const;

/** Throws `BAD_INPUT` for values out of range. */
export function checkControl(control: JobControl): void {
  const { deadline, priority = "normal", streamCapacity = 4, signal } = control;
  if (deadline !== undefined && !(Number.isFinite(deadline) && deadline > 0)) {
    throw invalidArgument("deadline", "milliseconds above 0", deadline);
  }
  if (!Object.hasOwn(PRIORITIES, priority)) {
    throw invalidArgument("priority", "high, normal or low", priority);
  }
  if (!Number.isInteger(streamCapacity) || streamCapacity < 1) {
    throw invalidArgument("streamCapacity", "a whole number above 0", streamCapacity);
  }
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    throw invalidArgument("signal", "an AbortSignal", signal);
  }
}

/** `control` as the addon takes it. */
function nativeOptions(control: JobControl): JobOptions {
  checkControl(control);
  const { deadline = 0, priority = "normal", streamCapacity = 4 } = control;
  return { priority: PRIORITIES[priority], deadline, grad: gradEnabled(), streamCapacity };
}

function cancelled(reason: unknown): TorchsightError {
  return new TorchsightError("CANCELLED", "the job was cancelled", { cause: reason });
}

/** The error a job failed with, carrying the JavaScript stack of the call that started it. */
function failure(error: NativeError, call: { stack?: string }): TorchsightError {
  const { message, reason, retryAfter } = error;
  const code = isErrorCode(error.code) ? error.code : "INTERNAL";
  const own = new TorchsightError(code, message, { reason, retryAfter });
  const frames = call.stack?.split("\n").slice(1).join("\n");
  own.stack = `${own.name}: ${message}${frames ? `\n${frames}` : ""}`;
  return own;
}

/**
 * Starts native work as a job. It never throws: whatever is wrong, the job rejects.
 *
 * A job that was asked to cancel always rejects with `CANCELLED`, even if the work was faster; its
 * result is freed.
 */
export function startJob<T, S = never>(
  work: Work<T, S>,
  control: JobControl = {},
): Job<T, Progress, S> {
  const call: { stack?: string } = {};
  Error.captureStackTrace(call, startJob);
  const inScope = captureScope();
  return new Job<T, Progress, S>((driver) => {
    const { signal } = control;
    let id: JobId | undefined;
    let asked: { reason: unknown } | undefined;
    const cancel = (reason: unknown): void => {
      if (asked !== undefined || id === undefined) return;
      asked = { reason };
      native().cancelJob(id);
    };
    const aborted = (): void => cancel(signal?.reason);
    try {
      const options = nativeOptions(control);
      if (signal?.aborted) {
        driver.reject(cancelled(signal.reason));
        return cancel;
      }
      id = work.submit(options);
    } catch (error) {
      driver.reject(wrapped(error));
      return cancel;
    }
    signal?.addEventListener("abort", aborted, { once: true });
    const accepted = id;
    watch(accepted, {
      started: () => driver.started(),
      progress: (done, total, phase) => driver.progressed({ done, total, phase }),
      item: (tensors) => {
        const item = inScope(() => work.decodeItem?.(tensors)) as S;
        driver.streamed(item, () => native().itemTaken(accepted));
      },
      settled: (error, value, stats) => {
        signal?.removeEventListener("abort", aborted);
        work.settled?.();
        if (error !== undefined && (asked === undefined || error.code !== "CANCELLED")) {
          driver.reject(failure(error, call), stats);
          return;
        }
        if (asked !== undefined) {
          if (error === undefined) free(work.decode(value));
          driver.reject(cancelled(asked.reason), stats);
          return;
        }
        try {
          driver.resolve(
            inScope(() => work.decode(value)),
            stats,
          );
        } catch (cause) {
          driver.reject(wrapped(cause), stats);
        }
      },
    });
    return cancel;
  });
}

/** What was thrown while a job was started or read, as the package's own error. */
function wrapped(error: unknown): TorchsightError {
  const own = fromNative(error);
  if (own instanceof TorchsightError) return own;
  return new TorchsightError("INTERNAL", `the job failed: ${own}`, { cause: error });
}

function free(value: unknown): void {
  if (typeof value !== "object" || value === null) return;
  (value as { [Symbol.dispose]?: () => void })[Symbol.dispose]?.();
}
