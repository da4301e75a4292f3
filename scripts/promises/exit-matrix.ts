/** 7 ways of ending in 6 states, and what a program that is killed leaves behind. */

import { Program } from "./processes.js";
import type { Counts, Outcome, RuntimePromise } from "./promise.js";
import { median, ms } from "./statistics.js";

/** The exit code of each way of ending; see `programs/ending.mjs`. */
const WAYS: Record<string, number> = {
  return: 0,
  exit: 3,
  throw: 1,
  SIGTERM: 143,
  SIGINT: 130,
  "worker-terminate": 21,
  "worker-throw": 22,
};
const STATES = ["idle", "loading", "loading-isolated", "running", "running-isolated", "collective"];
/** What the runtimes of C, C++, V8 and the sanitizers write when a process falls. */
const CRASH =
  /terminate called|Segmentation|Aborted|core dumped|FATAL ERROR|Fatal error|assert|Sanitizer/;
const SECONDS_TO_END = 60;
const SECONDS_TO_VANISH = 5;
const AT_ONCE = 2;

/** One way in one state; the text is empty if all is well. */
async function end(way: string, state: string): Promise<{ fault: string; took: number }> {
  const program = new Program("ending", [way, state]);
  const deadline = setTimeout(() => program.signal("SIGKILL"), SECONDS_TO_END * 1000);
  const line = await program.line("ready");
  const began = performance.now();
  if (way.startsWith("SIG")) program.signal(way as NodeJS.Signals);
  const { code, signal, stderr } = await program.ended;
  clearTimeout(deadline);
  const took = performance.now() - began;
  const left = await program.leftBehind(SECONDS_TO_VANISH);
  const expected = way === "SIGKILL" ? null : WAYS[way];
  const faults: string[] = [];
  if (line !== `ready ${state === "idle" ? "idle" : "running"}`) faults.push(`was ${line}`);
  if (signal !== (way === "SIGKILL" ? "SIGKILL" : null)) faults.push(`ended by ${signal}`);
  else if (code !== expected) faults.push(`code ${code} instead of ${expected}`);
  const crash = stderr.split("\n").find((text) => CRASH.test(text));
  if (crash) faults.push(`wrote "${crash}"`);
  if (left.pids.length > 0) faults.push(`left ${left.pids.length} processes behind`);
  const fault = faults.length > 0 ? `${way} while ${state}: ${faults.join(", ")}` : "";
  if (fault) process.stderr.write(`${fault}\n${stderr}`);
  return { fault, took: took + (way === "SIGKILL" ? left.took : 0) };
}

/** Runs the cells, some at once, and tells how many ended as they should. */
async function endAll(cells: [string, string][]): Promise<Outcome> {
  const faults: string[] = [];
  const times: number[] = [];
  const left = [...cells];
  const runner = async () => {
    for (let cell = left.shift(); cell; cell = left.shift()) {
      const { fault, took } = await end(...cell);
      if (fault) faults.push(fault);
      // A program that returns waits for its jobs; the others leave them.
      if (cell[0] !== "return") times.push(took);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, runner));
  const good = `${cells.length - faults.length} of ${cells.length}`;
  const figure = `${good}, gone after ${ms(median(times))} (worst ${ms(Math.max(...times))})`;
  return { holds: faults.length === 0, figure: [figure, ...faults.slice(0, 5)].join("; ") };
}

function cells(ways: readonly string[], repeats: number): [string, string][] {
  return Array.from({ length: repeats }, () =>
    ways.flatMap((way) => STATES.map((state): [string, string] => [way, state])),
  ).flat();
}

const unsupported = process.platform === "win32";
const skipped: Outcome = { holds: "skipped", figure: "workers and signals need POSIX" };

export const exits: RuntimePromise = {
  name: "exits",
  statement:
    "A program ends by itself and with its own exit code, whether it returns, calls " +
    "process.exit(), throws, handles SIGTERM or SIGINT, or its worker thread is terminated or " +
    "throws; and whether it is idle, loads, runs a job or is inside a collective",
  limit: "no signal, right code, no process left behind, every time",
  minutes: { short: 6, soak: 120 },
  run: async ({ soak }: Counts) =>
    unsupported ? skipped : endAll(cells(Object.keys(WAYS), soak ? 25 : 1)),
};

export const orphans: RuntimePromise = {
  name: "orphans",
  statement: "A program that dies by SIGKILL leaves no worker process behind",
  limit: `no process left after ${SECONDS_TO_VANISH} s, every time`,
  minutes: { short: 2, soak: 20 },
  run: async ({ soak }: Counts) =>
    unsupported ? skipped : endAll(cells(["SIGKILL"], soak ? 25 : 1)),
};
