import { Transform, type TransformCallback } from "node:stream";
import { StringDecoder } from "node:string_decoder";

/** Characters after which a line is written though it has not ended. */
const LONGEST_LINE = 1 << 20;

/**
 * Cuts what a process writes into lines and passes each on as one piece, so that those of several
 * processes do not mix. A last line without an end gets one.
 */
export class Lines extends Transform {
  readonly #decoder = new StringDecoder("utf8");
  #pending = "";

  /** @param form - makes what is written of a line; both without the line's end */
  constructor(private readonly form: (line: string) => string) {
    super({ decodeStrings: true });
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    const lines = (this.#pending + this.#decoder.write(chunk)).split("\n");
    this.#pending = lines.pop() ?? "";
    for (const line of lines) this.#put(line);
    if (this.#pending.length > LONGEST_LINE) this.#rest();
    done();
  }

  override _flush(done: TransformCallback): void {
    this.#pending += this.#decoder.end();
    this.#rest();
    done();
  }

  #rest(): void {
    if (this.#pending !== "") this.#put(this.#pending);
    this.#pending = "";
  }

  #put(line: string): void {
    this.push(`${this.form(line.replace(/\r$/, ""))}\n`);
  }
}
