import cliProgress from "cli-progress";
import { isErrorCode, TorchsightError } from "../core/errors.js";
import type { Progress } from "../core/job.js";

/** How a command speaks: results on stdout, everything else on stderr. */
export interface OutputOptions {
  json: boolean;
  quiet: boolean;
  verbose: boolean;
}

/** A progress bar on stderr; silent where there is no terminal to draw on. */
export interface ProgressBar {
  update(done: number, total: number, label?: string): void;
  /** Shows a job's progress; can be handed to it unbound. */
  onProgress(this: void, progress: Progress): void;
  stop(): void;
}

export class Output {
  constructor(readonly options: OutputOptions) {}

  /**
   * Writes a result: `document` as one line of JSON with `--json`, else `text`. Call it once, or
   * once for each result where results stream.
   */
  result(document: unknown, text: string): void {
    process.stdout.write(`${this.options.json ? JSON.stringify(document) : text}\n`);
  }

  /** Tells the user what is going on. */
  log(line: string): void {
    if (!this.options.quiet) process.stderr.write(`${line}\n`);
  }

  /** As {@link log}, for those who asked for more. */
  detail(line: string): void {
    if (this.options.verbose) this.log(line);
  }

  progress(label: string): ProgressBar {
    if (this.options.quiet || !process.stderr.isTTY) {
      return { update() {}, onProgress() {}, stop() {} };
    }
    const bar = new cliProgress.SingleBar({
      stream: process.stderr,
      format: "{label} {bar} {value}/{total}",
      hideCursor: true,
      clearOnComplete: true,
    });
    let started = false;
    const update = (done: number, total: number, current = label) => {
      if (started) bar.setTotal(total);
      else bar.start(total, 0, { label: current });
      started = true;
      bar.update(done, { label: current });
    };
    return {
      update,
      onProgress: ({ done, total, phase }) => update(done, total, phase),
      stop: () => bar.stop(),
    };
  }

  /** Writes a failure as the contract of the command line says, and tells its exit code. */
  fail(error: unknown): number {
    const { code, message } = failureOf(error);
    if (this.options.verbose && error instanceof Error) process.stderr.write(`${error.stack}\n`);
    if (this.options.json) {
      process.stdout.write(`${JSON.stringify({ error: { code, message } })}\n`);
    }
    process.stderr.write(`${code}: ${message}\n`);
    return code === "USAGE" ? 2 : 1;
  }
}

/** A failure as code and a message of one line. */
export function failureOf(error: unknown): { code: string; message: string } {
  const text = error instanceof Error ? error.message : String(error);
  const message = text.trim().replace(/\s*\n\s*/g, "; ") || "no reason was given";
  return { code: codeOf(error), message };
}

function codeOf(error: unknown): string {
  if (error instanceof TorchsightError) return error.code;
  const { code, name } = (error ?? {}) as { code?: unknown; name?: unknown };
  if (isErrorCode(code)) return code;
  if (name === "AbortError") return "CANCELLED";
  if (code === "ENOENT" || code === "ENOTDIR") return "NOT_FOUND";
  if (code === "EACCES" || code === "EPERM" || code === "EISDIR") return "BAD_INPUT";
  return "INTERNAL";
}
