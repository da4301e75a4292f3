/** Programs that are started to see how they end, and what they leave behind. */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { performance } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

/** How a program ended. */
export interface Ending {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

/** A program of `programs/`, in a process group of its own, so that whatever it starts is found. */
export class Program {
  readonly ended: Promise<Ending>;
  readonly #child: ChildProcess;
  #stdout = "";
  #stderr = "";
  #heard: (() => void) | undefined;

  constructor(name: string, args: readonly string[]) {
    const file = fileURLToPath(new URL(`programs/${name}.mjs`, import.meta.url));
    this.#child = spawn(process.execPath, [file, ...args], {
      stdio: ["ignore", "pipe", "pipe"],
      detached: true,
    });
    this.#child.stdout?.setEncoding("utf8").on("data", (text: string) => {
      this.#stdout += text;
      this.#heard?.();
    });
    this.#child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.#stderr += text;
    });
    this.ended = new Promise((resolve, reject) => {
      this.#child.on("error", reject);
      // "exit", not "close": a process that was left behind would keep the pipes open.
      this.#child.on("exit", async (code, signal) => {
        await sleep(20);
        this.#heard?.();
        resolve({ code, signal, stdout: this.#stdout, stderr: this.#stderr });
      });
    });
  }

  /** The number of the process, which is also that of its group. */
  get pid(): number {
    return this.#child.pid!;
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name);
  }

  /** The line of stdout that begins with `word`; undefined if the program ends without one. */
  async line(word: string): Promise<string | undefined> {
    while (true) {
      const found = this.#stdout.split("\n").find((line) => line.startsWith(`${word} `));
      if (found || this.#child.exitCode !== null || this.#child.signalCode !== null) return found;
      await new Promise<void>((resolve) => {
        this.#heard = resolve;
      });
    }
  }

  /**
   * Processes that the ended program left behind for longer than `seconds`, and the milliseconds
   * until the last was gone. Whatever is left is killed.
   */
  async leftBehind(seconds: number): Promise<{ pids: number[]; took: number }> {
    const began = performance.now();
    let pids = groupMembers(this.pid);
    while (pids.length > 0 && performance.now() - began < seconds * 1000) {
      await sleep(20);
      pids = groupMembers(this.pid);
    }
    const took = performance.now() - began;
    if (pids.length > 0) process.kill(-this.pid, "SIGKILL");
    return { pids, took };
  }
}

/** Living processes of a group. Those that have ended and were not waited for do not count. */
function groupMembers(group: number): number[] {
  return processes()
    .filter((one) => one.group === group && one.state !== "Z")
    .map(({ pid }) => pid);
}

function processes(): { pid: number; group: number; state: string }[] {
  if (!existsSync("/proc/self/stat")) {
    return execFileSync("ps", ["-A", "-o", "pid=,pgid=,stat="], { encoding: "utf8" })
      .trim()
      .split("\n")
      .map((line) => line.trim().split(/\s+/))
      .map(([pid, group, state]) => ({
        pid: Number(pid),
        group: Number(group),
        state: state![0]!,
      }));
  }
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        // After the command's name, which may hold anything: state, parent, group.
        const fields = readFileSync(`/proc/${name}/stat`, "utf8")
          .replace(/^.*\) /s, "")
          .split(" ");
        return [{ pid: Number(name), group: Number(fields[2]), state: fields[0]! }];
      } catch {
        return []; // It has ended since the folder was listed.
      }
    });
}
