/** From the tokens of a native `generate` to texts, as they come and as a whole. */
import type { Steps } from "../core/compose.js";
import type { Job, JobControl, Progress } from "../core/job.js";
import { TextStream } from "../text/text_stream.js";
import type { Tokenizer } from "../text/tokenizer.js";
import { type GenerateOptions, streams } from "./options.js";
import type { FinishReason, Generated, GeneratedStep, GeneratedText, TokenEvent } from "./types.js";

/** Starts the native method. */
export type StartGeneration = (
  control: JobControl,
) => Job<Generated & Disposable, Progress, GeneratedStep & Disposable>;

/** What is known of the texts before they are there. */
export interface ExpectedTexts {
  /** As many as prompts. */
  count: number;
  /** The tokens that end a text. */
  ends: readonly number[];
  /** Tokens of a text at most. */
  length: number;
  /** When the work began, by `performance.now()`. */
  began: number;
}

/** Runs the native method and reads its tokens. */
export async function generateTexts(
  start: StartGeneration,
  tokenizer: Tokenizer,
  expected: ExpectedTexts,
  options: GenerateOptions,
  steps: Steps<TokenEvent>,
): Promise<GeneratedText[]> {
  const rows = Array.from(
    { length: expected.count },
    (_, row) => new Row(row, tokenizer, expected, options.stop ?? []),
  );
  const job = start({ ...steps.control });
  if (streams(options)) await readStream(job, rows, steps);
  else await readWhole(job, rows, steps);
  return rows.map((row) => row.result());
}

async function readStream(
  job: ReturnType<StartGeneration>,
  rows: readonly Row[],
  steps: Steps<TokenEvent>,
): Promise<void> {
  const stop = job.onProgress((progress) => steps.progress(progress));
  try {
    for await (using item of job) {
      const [ids, logprobs] = await Promise.all([item.token_ids.data(), item.logprobs.data()]);
      for (const [place, row] of rows.entries()) {
        const event = row.push(Number(ids[place]), Number(logprobs[place]));
        if (event) await steps.emit(event);
      }
      // Leaving the loop cancels what is left of the work: all texts have met a stop.
      if (rows.every((row) => row.finished)) break;
    }
  } finally {
    stop();
  }
  const complete = rows.every((row) => row.finished);
  const outputs = complete ? await job.catch(() => undefined) : await job;
  outputs?.[Symbol.dispose]();
}

/** Of tokens that compete with others only those that won are known, at the end. */
async function readWhole(
  job: ReturnType<StartGeneration>,
  rows: readonly Row[],
  steps: Steps<TokenEvent>,
): Promise<void> {
  using outputs = await steps.run(job);
  const { sequences, logprobs } = outputs;
  const [ids, values] = await Promise.all([sequences.data(), logprobs.data()]);
  const width = sequences.shape[1]!;
  const length = logprobs.shape[1]!;
  for (const [place, row] of rows.entries()) {
    for (let index = 0; index < length && !row.finished; index += 1) {
      const id = Number(ids[place * width + width - length + index]);
      const event = row.push(id, Number(values[place * length + index]));
      if (event) await steps.emit(event);
    }
  }
}

/** One text as it grows. */
class Row {
  readonly #stream: TextStream;
  readonly #tokenIds: number[] = [];
  readonly #logprobs: number[] = [];
  #text = "";
  #finishReason: FinishReason | undefined;
  #first = 0;
  #last = 0;

  constructor(
    private readonly row: number,
    private readonly tokenizer: Tokenizer,
    private readonly expected: ExpectedTexts,
    stop: readonly string[],
  ) {
    this.#stream = new TextStream(tokenizer, { stop });
  }

  get finished(): boolean {
    return this.#finishReason !== undefined;
  }

  /** Takes the next token; what comes after the end is padding and no event. */
  push(tokenId: number, logprob: number): TokenEvent | undefined {
    if (this.finished) return undefined;
    const index = this.#tokenIds.length;
    this.#last = (performance.now() - this.expected.began) / 1000;
    if (index === 0) this.#first = this.#last;
    this.#tokenIds.push(tokenId);
    this.#logprobs.push(logprob);
    const ended = this.expected.ends.includes(tokenId);
    let textDelta = ended ? "" : this.#stream.push(tokenId);
    if (this.#stream.stopped !== undefined) this.#finishReason = "stop";
    else if (ended) this.#finishReason = "eos";
    else if (index + 1 === this.expected.length) this.#finishReason = "length";
    if (this.#finishReason) textDelta += this.#stream.flush();
    this.#text += textDelta;
    return {
      row: this.row,
      index,
      tokenId,
      piece: this.tokenizer.piece(tokenId),
      textDelta,
      logprob,
      ...(this.#finishReason && { finishReason: this.#finishReason }),
    };
  }

  result(): GeneratedText {
    return {
      text: this.#text,
      tokenIds: this.#tokenIds,
      logprobs: this.#logprobs,
      finishReason: this.#finishReason ?? "length",
      timings: { first: this.#first, total: this.#last },
    };
  }
}
