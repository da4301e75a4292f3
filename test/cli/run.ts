import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

const MAIN = fileURLToPath(new URL("../../lib/cli/main.ts", import.meta.url));

/** What a command left behind. */
export interface Ran {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
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

function run(after: Interrupt, words: string[]): Promise<Ran> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ["--import=tsx", MAIN, ...words], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    const interrupt = () => void child.kill("SIGINT");
    if (typeof after === "number") setTimeout(interrupt, after).unref();
    else after?.then(interrupt);
    let stdout = "";
    let stderr = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      stderr += text;
    });
    child.on("error", reject);
    child.on("close", (code, signal) => {
      const last = stderr.trimEnd().split("\n").at(-1) ?? "";
      resolve({ code, signal, stdout, stderr, last });
    });
  });
}
