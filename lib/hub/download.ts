/** Brings one file into the cache: in pieces if need be, and never as complete before it is. */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { pipeline } from "node:stream/promises";
import { TorchsightError } from "../core/errors.js";
import { damaged, type Patience, unreachable } from "./answers.js";
import type { HubFile } from "./client.js";
import { Partial } from "./partial.js";

/** Where the bytes of a file come from. */
export interface Source {
  /** Asks for the bytes from `first` on; the answer may be the whole file all the same. */
  open(first: number): Promise<Response>;
  patience(): Patience;
  readonly signal: AbortSignal;
  /** Told how many bytes are there, of which a damaged file may lose some. */
  told(bytes: number): void;
}

/**
 * Downloads a file to `blob`, from where an earlier download of the same content has ended. Throws
 * `BAD_CHECKPOINT` for content that is not what the hub announced.
 */
export async function download(file: HubFile, blob: string, source: Source): Promise<void> {
  const partial = await Partial.claim(blob);
  try {
    for (let inherited = partial.bytes > 0; ; inherited = false) {
      try {
        await fill(partial, file, source);
        await verify(partial, file, source.signal);
        break;
      } catch (error) {
        if (!(error instanceof TorchsightError) || error.code !== "BAD_CHECKPOINT") throw error;
        await partial.rewind();
        // The damage may lie in what an earlier download has left.
        if (!inherited) throw error;
      }
    }
    await partial.complete();
  } catch (error) {
    // What ended the download says more than a failure of putting its rest aside.
    await partial.leave().catch(() => undefined);
    throw error;
  }
}

/** Asks for what is missing until all of it is there. */
async function fill(partial: Partial, file: HubFile, source: Source): Promise<void> {
  const patience = source.patience();
  source.told(partial.bytes);
  while (partial.bytes < file.bytes) {
    const before = partial.bytes;
    try {
      await receive(partial, file, source);
    } catch (error) {
      await patience.after(error, partial.bytes > before);
    }
  }
}

/** Appends what one answer brings. */
async function receive(partial: Partial, file: HubFile, source: Source): Promise<void> {
  const response = await source.open(partial.bytes);
  const at = startOf(response);
  if (at === 0) await partial.rewind();
  if (at !== partial.bytes) {
    await response.body?.cancel();
    throw damaged("RANGE", `the bytes from ${partial.bytes} on`, file.path, `those from ${at} on`);
  }
  for await (const chunk of bodyOf(response, file.path)) {
    if (partial.bytes + chunk.length > file.bytes) {
      throw damaged("SIZE", `${file.bytes} bytes`, file.path, "more");
    }
    await partial.append(chunk);
    source.told(partial.bytes);
  }
  if (partial.bytes < file.bytes) {
    const why = `it ended after ${partial.bytes} of ${file.bytes} bytes`;
    throw unreachable(`the rest of ${file.path}`, why);
  }
}

/** Where in the file an answer begins: a server may answer a question for a part with all of it. */
function startOf(response: Response): number {
  if (response.status !== 206) return 0;
  const [, first] = /^bytes (\d+)-/.exec(response.headers.get("content-range") ?? "") ?? [];
  return first === undefined ? Number.NaN : Number(first);
}

async function* bodyOf(response: Response, what: string): AsyncGenerator<Uint8Array> {
  try {
    for await (const chunk of response.body ?? []) yield chunk;
  } catch (error) {
    throw unreachable(`the rest of ${what}`, error);
  }
}

async function verify(partial: Partial, file: HubFile, signal: AbortSignal): Promise<void> {
  // What a longer file of an earlier download has left is not this one's beginning.
  if (partial.bytes !== file.bytes) {
    throw damaged("SIZE", `${file.bytes} bytes`, file.path, `${partial.bytes}`);
  }
  if (file.sha256 === undefined) return;
  const hash = createHash("sha256");
  await pipeline(createReadStream(partial.file, { signal }), hash);
  const digest = hash.digest("hex");
  if (digest !== file.sha256) {
    throw damaged("DIGEST", `the SHA-256 ${file.sha256}`, file.path, digest);
  }
}
