/** Programs that the benchmark compares with: they run when told to, so that runs can alternate. */
import { type ChildProcess, spawn } from "node:child_process";
import { createInterface, type Interface } from "node:readline";
import type { Timed } from "../../dist/bench/measure.js";

export class Peer implements AsyncDisposable {
  readonly #process: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  readonly #reader: Interface;

  private constructor(command: string, args: string[], cwd: string) {
    this.#process = spawn(command, args, { cwd, stdio: ["pipe", "pipe", "inherit"] });
    this.#reader = createInterface({ input: this.#process.stdout as NodeJS.ReadableStream });
    this.#lines = this.#reader[Symbol.asyncIterator]();
  }

  /** Starts a peer and waits until it is ready. */
  static async start(command: string, args: string[], cwd: string): Promise<Peer> {
    const peer = new Peer(command, args, cwd);
    if ((await peer.#answer()) !== "ready") throw new Error(`${command} ${args.join(" ")} failed`);
    return peer;
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
