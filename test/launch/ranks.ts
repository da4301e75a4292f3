/** Running ranks as processes, and reading what they tell. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import test, { type ExecutionContext } from "ava";
import { freePort } from "../../lib/launch/rank_environments.js";
import type { JoinRequest } from "../../lib/native/addon.js";
import { type Ended, ended } from "../ended.js";

export { freePort };

export const ENCODE = fileURLToPath(new URL("programs/encode.mjs", import.meta.url));
export const SCRIPT_OF_RANK = fileURLToPath(new URL("programs/rank.mjs", import.meta.url));
export const MAIN = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));

/** What a process left behind, and how long it took. */
export interface Ran extends Ended {
  seconds: number;
}

/** Runs a command to its end. `started` is given the process. */
export async function runCommand(
  command: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
  started?: (child: ChildProcess) => void,
): Promise<Ran> {
  const begin = performance.now();
  const child = spawn(command, args, {
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  started?.(child);
  const left = await ended(child);
  return { ...left, seconds: (performance.now() - begin) / 1000 };
}

/** `torchsight launch WORDS`. */
export function launch(...words: string[]): Promise<Ran> {
  return runCommand(process.execPath, [MAIN, "launch", ...words]);
}

/** What a rank of `programs/encode.mjs` tells. */
interface Encoded {
  launcher: string;
  rank: number;
  size: number;
  off: number;
  restarts?: number;
}

/** Checks that every rank computed what the whole model does. */
export function allAgree(
  t: ExecutionContext,
  { code, stdout, stderr }: Ran,
  size: number,
): Encoded[] {
  t.is(code, 0, stderr);
  // torchrun and mpirun write lines as they come, without a rank before them.
  const told = (stdout.match(/\{.*?\}/g) ?? []).map((line) => JSON.parse(line) as Encoded);
  told.sort((a, b) => a.rank - b.rank);
  t.deepEqual(
    told.map(({ rank }) => rank),
    Array.from({ length: size }, (_, rank) => rank),
  );
  for (const one of told) {
    t.is(one.size, size);
    t.true(one.off < 1e-5, `rank ${one.rank} is off by ${one.off}`);
  }
  return told;
}

/** A test that needs a command, skipped by name where it does not work. */
export function needing(command: string, ...args: string[]) {
  const { status } = spawnSync(command, args, { stdio: "ignore" });
  return status === 0 && process.platform === "linux" ? test : test.skip;
}

/** What a rank is told; `join` is completed with the defaults of {@link ranks}. */
export interface RankPlan {
  join?: Partial<JoinRequest>;
  collectiveTimeout?: number;
  config?: object;
  steps?: {
    method?: string;
    args?: object;
    /** Shapes. */
    inputs?: Record<string, number[]>;
    /** What the inputs are filled with. Default 1. */
    fill?: number;
    cancelAfter?: number;
    times?: number;
    /** A folder to save the model to, in place of a call. */
    save?: string;
  }[];
}

/** What a rank told of one step. */
export interface Told {
  value?: string | number;
  code?: string;
  message?: string;
  ms: number;
}

/** Runs a rank for each plan at one port, and returns what each has told. */
export async function ranks(
  plans: readonly RankPlan[],
  signals: { rank: number; signal: NodeJS.Signals; afterMs: number }[] = [],
): Promise<Told[][]> {
  const port = await freePort();
  return Promise.all(
    plans.map(async (plan, rank) => {
      const size = plans.length;
      const defaults = { rank, size, together: size, host: "127.0.0.1", port, timeout: 10_000 };
      const own = { ...defaults, alike: {}, ...plan.join };
      const join = { serves: own.rank === 0, ...own };
      const text = JSON.stringify({ collectiveTimeout: 10_000, ...plan, join });
      const { stdout } = await runCommand(process.execPath, [SCRIPT_OF_RANK, text], {}, (child) => {
        child.stdout?.once("data", () => {
          // It has loaded.
          for (const { rank: target, signal, afterMs } of signals) {
            if (target !== rank) continue;
            setTimeout(() => {
              child.kill(signal);
              // A stopped process would never be read to its end.
              if (signal === "SIGSTOP") setTimeout(() => child.kill("SIGKILL"), 4000);
            }, afterMs);
          }
        });
      });
      return stdout
        .split("\n")
        .filter((line) => line.startsWith("{"))
        .map((line) => JSON.parse(line) as Told);
    }),
  );
}
