/** Programs that the benchmark compares with: they run when told to, so that runs can alternate. */
import { type ChildProcess, spawn } from "node:child_process";
import { createInterface, type Interface } from "node:readline";
import type { Estimate, Timed } from "../../dist/bench/measure.js";
import type { Row } from "../../dist/bench/report.js";

/** How often ours and a peer are run in turn. */
export const PAIRS = 15;

/** A row that compares with a peer. */
export const compared = (name: string, peer: string, ours: Estimate, ratio: Estimate): Row => ({
  name,
  seconds: ours,
  ratio,
  peer: `faster than ${peer}`,
});

/** A peer could not start; the message tells why. */
export class PeerFailure extends Error {}

export class Peer implements AsyncDisposable {
  readonly #process: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  readonly #reader: Interface;

  private constructor(command: string, args: string[], cwd: string) {
    this.#process = spawn(command, args, { cwd, stdio: ["pipe", "pipe", "inherit"] });
    this.#reader = createInterface({ input: this.#process.stdout as NodeJS.ReadableStream });
    this.#lines = this.#reader[Symbol.asyncIterator]();
  }

  /** Starts a peer and waits until it is ready. Rejects with {@link PeerFailure}. */
  static async start(command: string, args: string[], cwd: string): Promise<Peer> {
    const peer = new Peer(command, args, cwd);
    const answer = await peer.#answer().catch((error: Error) => error.message);
    if (answer === "ready") return peer;
    await peer[Symbol.asyncDispose]();
    throw new PeerFailure(answer.replace(/^failed: /, ""));
  }

  /** Asks for one run and returns the seconds that the peer measured itself. */
  readonly run: Timed = async () => Number(await this.ask("run"));

  async ask(line: string): Promise<string> {
    this.#process.stdin?.write(`${line}\n`);
    return this.#answer();
  }

  async #answer(): Promise<string> {
    const { value, done } = await this.#lines.next();
    if (done) throw new Error("the peer has ended");
    return value;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#process.stdin?.end();
    this.#reader.close();
    this.#process.kill();
  }
}
