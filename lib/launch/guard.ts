/**
 * Ends processes whose parent could not: a shell that waits for the end of a pipe. The pipe ends
 * with the parent, however that ended.
 */
import { type ChildProcess, spawn } from "node:child_process";

/** Seconds between the signal that asks and the one that does not. */
const GRACE_SECONDS = 4;

const SCRIPT = `trap '' INT TERM HUP
read groups
read never
kill -TERM $groups
sleep ${GRACE_SECONDS}
kill -KILL $groups`;

/** Watches over process groups; not on Windows, which has none. */
export class Guard {
  readonly #shell: ChildProcess;

  /** @param groups - the numbers of the groups' leaders */
  constructor(groups: readonly number[]) {
    this.#shell = spawn("/bin/sh", ["-c", SCRIPT], {
      stdio: ["pipe", "ignore", "ignore"],
      detached: true,
    });
    this.#shell.on("error", () => {});
    this.#shell.unref();
    this.#shell.stdin?.on("error", () => {});
    this.#shell.stdin?.write(`${groups.map((group) => -group).join(" ")}\n`);
    (this.#shell.stdin as unknown as { unref?: () => void } | null)?.unref?.();
  }

  /** Nothing is left to watch over. */
  release(): void {
    this.#shell.kill("SIGKILL");
  }
}
