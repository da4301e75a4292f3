/** Threads that make rows. */
import { extname } from "node:path";
import { Worker } from "node:worker_threads";
import { isErrorCode, TorchsightError } from "../core/errors.js";
import type { Maker, Packed, ProducerOptions, Task } from "./producer.js";

/** What a thread is asked for. */
export interface Request {
  id: number;
  task: Task;
}

/** What it answers. */
export type Answer = { id: number } & ({ packed: Packed } | { failed: Failure });

/** An error on its way between threads. */
export interface Failure {
  code: string;
  message: string;
}

interface Waiting {
  resolve(packed: Packed): void;
  reject(error: unknown): void;
}

interface Thread {
  worker: Worker;
  waiting: Map<number, Waiting>;
}

/** Where threads begin, and what they run: TypeScript where this file is, as in a clone. */
const THREAD = new URL("./thread.js", import.meta.url);
const PROGRAM = new URL(`./worker${extname(import.meta.url)}`, import.meta.url).href;
/** Flags that decide on how modules are loaded, with their value or before it. */
const LOADING = /^(--import|--require|-r|--loader|--experimental-loader)(=|$)/;

/** Makes rows in threads, which keep the process alive only while something is asked of them. */
export class WorkerPool implements Maker {
  readonly #threads: Thread[];
  #asked = 0;
  #failure: TorchsightError | undefined;
  #ended = false;

  constructor(count: number, options: ProducerOptions) {
    this.#threads = Array.from({ length: count }, () => this.#start(options));
  }

  /** Rejects with `WORKER_FAILED` where a thread ends by itself. */
  produce(task: Task): Promise<Packed> {
    return new Promise((resolve, reject) => {
      if (this.#failure) return reject(this.#failure);
      const least = this.#threads.reduce((a, b) => (b.waiting.size < a.waiting.size ? b : a));
      const id = this.#asked++;
      least.waiting.set(id, { resolve, reject });
      least.worker.ref();
      least.worker.postMessage({ id, task } satisfies Request);
    });
  }

  async end(): Promise<void> {
    this.#ended = true;
    // Else the process could end while this is waited for.
    for (const { worker } of this.#threads) worker.ref();
    await Promise.all(this.#threads.map(({ worker }) => worker.terminate()));
  }

  #start(options: ProducerOptions): Thread {
    const workerData = { program: PROGRAM, options };
    const execArgv = flagsOfThreads(process.execArgv);
    const worker = new Worker(THREAD, { workerData, execArgv, name: "torchsight-data" });
    const thread: Thread = { worker, waiting: new Map() };
    worker.unref();
    worker.on("message", (answer: Answer) => this.#settle(thread, answer));
    worker.on("error", (cause: unknown) => {
      this.#fail(cause instanceof Error ? cause.message : String(cause), cause);
    });
    worker.on("exit", (code) => this.#fail(`it ended with code ${code}`));
    return thread;
  }

  /** The first failure counts: an error is followed by an exit. */
  #fail(why: string, cause?: unknown): void {
    const ended = this.#ended;
    const code = ended ? "CANCELLED" : "WORKER_FAILED";
    const message = ended ? "the loop has ended" : `a thread of the data loader failed: ${why}`;
    this.#failure ??= new TorchsightError(code, message, { cause });
    for (const { waiting } of this.#threads) {
      for (const { reject } of waiting.values()) reject(this.#failure);
      waiting.clear();
    }
  }

  #settle({ worker, waiting }: Thread, answer: Answer): void {
    const asked = waiting.get(answer.id);
    waiting.delete(answer.id);
    if (waiting.size === 0 && !this.#ended) worker.unref();
    if ("packed" in answer) {
      asked?.resolve(answer.packed);
    } else {
      const { code, message } = answer.failed;
      asked?.reject(new TorchsightError(isErrorCode(code) ? code : "INTERNAL", message));
    }
  }
}

/**
 * The flags of this process, but where it was given a program as text: Node.js refuses to inherit
 * what says so, and takes few others where any are told.
 */
function flagsOfThreads(flags: readonly string[]): string[] | undefined {
  if (!flags.some((flag) => flag.startsWith("--input-type"))) return undefined;
  return flags.filter((flag, at) => {
    const before = flags[at - 1] ?? "";
    return LOADING.test(flag) || (LOADING.test(before) && !before.includes("="));
  });
}
