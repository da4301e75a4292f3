/** Text of tokens that come one by one. */
import { TextDecoder } from "node:util";
import { invalidArgument } from "../core/errors.js";
import type { Tokenizer } from "./tokenizer.js";

/** What a stream of text leaves out, and where it ends. */
export interface TextStreamOptions {
  /** Whether special tokens are left out of the text. Default true. */
  skipSpecialTokens?: boolean | undefined;
  /** Texts at which the stream ends. The one that is met, and all after it, is left out. */
  stop?: readonly string[] | undefined;
}

/**
 * Turns token ids into text as they come, never half a character. What {@link push} and
 * {@link flush} give comes to what `Tokenizer.decode` gives of all ids, up to where it stops.
 *
 * Bytes of a character that the vocabulary lacks are held back until it is whole; bytes that make
 * none become U+FFFD. Held back is also text that may be the beginning of a stop text. For
 * tokenizers that decode token by token, such as Gemma's.
 *
 * @example
 * ```ts
 * const stream = new TextStream(tokenizer, { stop: ["\n"] });
 * for (const id of ids) process.stdout.write(stream.push(id));
 * process.stdout.write(stream.flush());
 * ```
 */
export class TextStream {
  readonly #tokenizer: Tokenizer;
  readonly #skipSpecialTokens: boolean;
  readonly #stops: readonly string[];
  /** Reads the bytes of the run that the stream is in. */
  #bytes: TextDecoder | undefined;
  /** The last token that was text. */
  #last: number | bigint | undefined;
  #held = "";
  #stopped: string | undefined;

  /** Throws `BAD_INPUT` for stops that are not texts of at least one character. */
  constructor(tokenizer: Tokenizer, options: TextStreamOptions = {}) {
    const { skipSpecialTokens = true, stop = [] } = options;
    if (!Array.isArray(stop) || stop.some((one) => typeof one !== "string" || one === "")) {
      throw invalidArgument("stop", "a list of texts, none empty,", stop);
    }
    this.#tokenizer = tokenizer;
    this.#skipSpecialTokens = skipSpecialTokens;
    this.#stops = [...stop];
  }

  /** The stop text that was met; undefined before. From then on there is no more text. */
  get stopped(): string | undefined {
    return this.#stopped;
  }

  /** The text that is certain with one more token. Throws `BAD_INPUT` for an unknown id. */
  push(id: number | bigint): string {
    return this.#release(this.#textOf(id), false);
  }

  /** What was held back. The next token, if there is one, begins a new text. */
  flush(): string {
    const rest = this.#release(this.#endOfRun(), true);
    this.#last = undefined;
    return rest;
  }

  #textOf(id: number | bigint): string {
    if (this.#skipSpecialTokens && this.#tokenizer.isSpecial(id)) return "";
    const byte = this.#byteOf(id);
    if (byte !== undefined) {
      this.#bytes ??= new TextDecoder();
      return this.#bytes.decode(Uint8Array.of(byte), { stream: true });
    }
    // Behind another token, since some tokenizers drop the space at the very beginning.
    const before = this.#last === undefined ? [] : [this.#last];
    this.#last = id;
    return this.#endOfRun() + this.#decode([...before, id]).slice(this.#decode(before).length);
  }

  /** The byte that a token stands for, if its tokenizer has such tokens. */
  #byteOf(id: number | bigint): number | undefined {
    const piece = this.#tokenizer.piece(id);
    const [, hexadecimal] = /^<0x([0-9a-f]{2})>$/i.exec(piece) ?? [];
    if (hexadecimal === undefined || this.#decode([id]) === piece) return undefined;
    return Number.parseInt(hexadecimal, 16);
  }

  #endOfRun(): string {
    const rest = this.#bytes?.decode() ?? "";
    this.#bytes = undefined;
    return rest;
  }

  #decode(ids: readonly (number | bigint)[]): string {
    return this.#tokenizer.decode(ids, { skipSpecialTokens: this.#skipSpecialTokens });
  }

  /** Adds text to what is held back, and gives all of it that cannot belong to a stop text. */
  #release(text: string, all: boolean): string {
    if (this.#stopped !== undefined) return "";
    const held = this.#held + text;
    const met = this.#stops.map((stop) => held.indexOf(stop));
    const end = Math.min(...met.map((place) => (place < 0 ? held.length : place)), held.length);
    if (met.includes(end)) {
      this.#stopped = this.#stops[met.indexOf(end)];
      this.#held = "";
      return held.slice(0, end);
    }
    const kept = all ? 0 : Math.max(0, ...this.#stops.map((stop) => overlap(held, stop)));
    this.#held = held.slice(held.length - kept);
    return held.slice(0, held.length - kept);
  }
}

/** Characters at the end of `text` that `stop` begins with. */
function overlap(text: string, stop: string): number {
  for (let length = Math.min(text.length, stop.length - 1); length > 0; length -= 1) {
    if (text.endsWith(stop.slice(0, length))) return length;
  }
  return 0;
}
