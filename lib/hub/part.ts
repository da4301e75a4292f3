import { Job, type JobControl, type Progress } from "../core/job.js";

/** Longest time that a timer of Node.js can be set to. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/**
 * A part of a composed job that is asynchronous work of JavaScript. `work` is given a signal, which
 * a cancel and the deadline abort, and what tells its progress.
 */
export function asyncPart<T>(
  control: JobControl,
  work: (signal: AbortSignal, tell: (progress: Progress) => void) => Promise<T>,
): Job<T> {
  return new Job<T>((driver) => {
    const abort = new AbortController();
    const signals = control.signal ? [abort.signal, control.signal] : [abort.signal];
    // Not AbortSignal.timeout: Node.js 20 may collect it inside of AbortSignal.any, and never ends.
    const timer =
      control.deadline === undefined
        ? undefined
        : // It may be early by less than a millisecond.
          setTimeout(
            () => abort.abort(),
            Math.min(Math.ceil(control.deadline) + 1, LONGEST_TIMER_MS),
          );
    driver.started();
    const begun = performance.now();
    const stats = () => ({ queued: 0, ran: (performance.now() - begun) / 1000, peakBytes: 0 });
    const signal = AbortSignal.any(signals);
    // Begun a moment later, so that whoever has started it can listen from the first on.
    const running = Promise.resolve().then(() => work(signal, (now) => driver.progressed(now)));
    running
      .finally(() => clearTimeout(timer))
      .then(
        (value) => driver.resolve(value, stats()),
        (error) => driver.reject(error, stats()),
      );
    return (reason) => abort.abort(reason);
  });
}
