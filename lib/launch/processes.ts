/** Starts the ranks of a program on this machine and ends all of them with the first that fails. */
import { type ChildProcess, spawn } from "node:child_process";
import { constants } from "node:os";
import { finished } from "node:stream/promises";
import { TorchsightError } from "../core/errors.js";
import { Guard } from "./guard.js";
import { Lines } from "./lines.js";

/** How the ranks of a program are run. */
export interface RunOptions {
  command: string;
  args: readonly string[];
  /** The variables of each rank. */
  environments: readonly NodeJS.ProcessEnv[];
  /** What is written of a line of a rank on either stream. */
  form: { stdout(rank: number, line: string): string; stderr(rank: number, line: string): string };
}

/** How one rank ended. */
export interface RankEnd {
  rank: number;
  /** The exit code; 128 and the signal's number where a signal ended it. */
  code: number;
  signal: NodeJS.Signals | null;
  seconds: number;
}

/** Milliseconds that ranks have to end by themselves once they were asked to. */
const GRACE_MS = 3000;
/** Milliseconds for what a rank has written to arrive after its end. */
const OUTPUT_MS = 1000;

const onWindows = process.platform === "win32";

/** Processes that run as the ranks of one program. */
export class Ranks {
  /** How all ranks ended, in the order in which they did. */
  readonly ends: RankEnd[] = [];
  readonly #children = new Set<ChildProcess>();
  readonly #started = performance.now();
  readonly #guard = onWindows ? undefined : new Guard();
  #kill: NodeJS.Timeout | undefined;
  #asked = false;

  constructor(private readonly options: RunOptions) {}

  /**
   * Starts all ranks and returns once the last one has ended. The first that fails, or a call of
   * {@link end}, ends the others: asked by a signal, by force 3 s later. Throws `NOT_FOUND` where
   * there is no such program.
   */
  async run(): Promise<void> {
    process.stdout.setMaxListeners(0);
    process.stderr.setMaxListeners(0);
    const atExit = () => this.#signal("SIGKILL");
    process.on("exit", atExit);
    try {
      const ended = this.options.environments.map((env, rank) => this.#start(env, rank));
      const failures = (await Promise.allSettled(ended)).filter((end) => end.status === "rejected");
      if (failures[0]) throw failures[0].reason;
    } finally {
      clearTimeout(this.#kill);
      this.#signal("SIGKILL");
      this.#guard?.release();
      process.off("exit", atExit);
    }
  }

  /** Passes a signal on to all ranks, and ends those that live on. */
  end(signal: NodeJS.Signals): void {
    this.#asked = true;
    this.#signal(signal);
    this.#kill ??= setTimeout(() => this.#signal("SIGKILL"), GRACE_MS);
  }

  /** The first rank that failed by itself, if one did. */
  get failed(): RankEnd | undefined {
    return this.ends.find(({ code }) => code !== 0);
  }

  async #start(env: NodeJS.ProcessEnv, rank: number): Promise<void> {
    const { command, args, form } = this.options;
    // A process group of its own takes along whatever the rank starts.
    const child = spawn(command, args, {
      env,
      stdio: ["ignore", "pipe", "pipe"],
      detached: !onWindows,
      windowsHide: true,
    });
    if (child.pid !== undefined) this.#guard?.watch(child.pid);
    this.#children.add(child);
    const written = [
      child.stdout.pipe(new Lines((line) => form.stdout(rank, line))),
      child.stderr.pipe(new Lines((line) => form.stderr(rank, line))),
    ];
    written[0]?.pipe(process.stdout, { end: false });
    written[1]?.pipe(process.stderr, { end: false });
    const [code, signal] = await new Promise<[number | null, NodeJS.Signals | null]>(
      (resolve, reject) => {
        child.on("exit", (...end) => resolve(end));
        child.on("error", (cause) => reject(cannotStart(command, cause)));
      },
    ).catch((error) => {
      this.end("SIGTERM");
      throw error;
    });
    const seconds = (performance.now() - this.#started) / 1000;
    this.ends.push({ rank, code: code ?? 128 + constants.signals[signal!], signal, seconds });
    if (code !== 0 && !this.#asked) this.end("SIGTERM");
    await within(OUTPUT_MS, Promise.all(written.map((stream) => finished(stream))));
    // What a rank has started does not outlive it. Later its number may be another process's.
    signalGroup(child, "SIGKILL");
    this.#children.delete(child);
  }

  #signal(signal: NodeJS.Signals): void {
    for (const child of this.#children) signalGroup(child, signal);
  }
}

function signalGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return;
  try {
    if (onWindows) child.kill(signal);
    else process.kill(-child.pid, signal);
  } catch {
    // The group has ended.
  }
}

function cannotStart(command: string, cause: NodeJS.ErrnoException): TorchsightError {
  const missing = cause.code === "ENOENT" || cause.code === "ENOTDIR";
  return new TorchsightError(
    missing ? "NOT_FOUND" : "BAD_INPUT",
    `expected a program that can be started but ${command} cannot: ${cause.message}`,
    { cause },
  );
}

/** Waits for `work`, but not for longer: a process that was left behind may hold a stream open. */
async function within(milliseconds: number, work: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise((resolve) => {
    timer = setTimeout(resolve, milliseconds);
  });
  await Promise.race([work, limit]);
  clearTimeout(timer);
}
