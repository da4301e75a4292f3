import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { type Ended, ended } from "../ended.js";

const MAIN = fileURLToPath(new URL("../../lib/cli/main.ts", import.meta.url));

/** What a command left behind. */
export interface Ran extends Ended {
  /** The last line of stderr. */
  last: string;
}

/** When a command is interrupted, if ever. */
type Interrupt = number | Promise<unknown> | undefined;

/** Processes at a time: ava starts all tests of a file at once. */
const AT_ONCE = 2;
let running = 0;
const waiting: (() => void)[] = [];

/** Runs `torchsight WORDS` as a process of its own. */
export function torchsight(...words: string[]): Promise<Ran> {
  return interrupted(undefined, ...words);
}

/** As {@link torchsight}, with an interrupt after so many milliseconds, or once something is so. */
export async function interrupted(after: Interrupt, ...words: string[]): Promise<Ran> {
  if (running === AT_ONCE) await new Promise<void>((resolve) => waiting.push(resolve));
  else running += 1;
  try {
    return await run(after, words);
  } finally {
    const next = waiting.shift();
    if (next) next();
    else running -= 1;
  }
}

async function run(after: Interrupt, words: string[]): Promise<Ran> {
  const child = spawn(process.execPath, ["--import=tsx", MAIN, ...words], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  const interrupt = () => void child.kill("SIGINT");
  if (typeof after === "number") setTimeout(interrupt, after).unref();
  else after?.then(interrupt);
  const left = await ended(child);
  return { ...left, last: left.stderr.trimEnd().split("\n").at(-1) ?? "" };
}
