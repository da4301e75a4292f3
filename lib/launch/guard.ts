/**
 * Ends processes whose parent could not: a shell that waits for the end of a pipe. The pipe ends
 * with the parent, however that ended.
 */
import { type ChildProcess, spawn } from "node:child_process";
import type { Writable } from "node:stream";

/** Seconds between the signal that asks and the one that does not. */
const GRACE_SECONDS = 3;

const SCRIPT = `trap '' INT TERM HUP
while read -r group; do groups="$groups -$group"; done
[ -n "$groups" ] || exit 0
kill -TERM $groups
sleep ${GRACE_SECONDS}
kill -KILL $groups`;

/** Watches over process groups; not on Windows, which has none. */
export class Guard {
  readonly #shell: ChildProcess;

  constructor() {
    this.#shell = spawn("/bin/sh", ["-c", SCRIPT], {
      stdio: ["pipe", "ignore", "ignore"],
      detached: true,
    });
    const { stdin } = this.#shell;
    for (const stream of [this.#shell, stdin]) stream?.on("error", () => {});
    // Neither keeps this program from ending.
    this.#shell.unref();
    (stdin as (Writable & { unref?(): void }) | null)?.unref?.();
  }

  /** Takes a group along, by the number of its leader. */
  watch(group: number): void {
    this.#shell.stdin?.write(`${group}\n`);
  }

  /** Nothing is left to watch over. */
  release(): void {
    this.#shell.kill("SIGKILL");
  }
}
