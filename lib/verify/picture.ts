/** Pictures that published values are of. */
import { existsSync } from "node:fs";
import { mkdir, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { TorchsightError } from "../core/errors.js";
import { cacheFolder } from "../install/libtorch.js";
import { decodeImage, type RawImage } from "../media/image.js";

/** A picture that everybody can have. */
export interface KnownPicture {
  /** Its file's name in the cache. */
  readonly name: string;
  readonly url: string;
  readonly width: number;
  readonly height: number;
}

/** Two cats on a couch, of which most values of transformers are. Its server knows no https. */
export const COCO_CATS: KnownPicture = {
  name: "coco-val2017-000000039769.jpg",
  url: "http://images.cocodataset.org/val2017/000000039769.jpg",
  width: 640,
  height: 480,
};

/** Many times what a photo of that size takes. */
const MOST_BYTES = 4 * 2 ** 20;
const TIMEOUT_MS = 30_000;
const REMEDY = "name a file that has it (--image FILE)";

/** Where a picture comes from. */
export interface PictureOptions {
  /** A file that has it. Default: the cache, which it is brought into if need be. */
  file?: string | undefined;
  /** Whether no request may be made. */
  offline: boolean;
}

/**
 * The pixels of a known picture. Only its size tells that it is the right one: with another, values
 * that hold may seem not to, but none that is wrong will seem to hold.
 *
 * @throws `NOT_FOUND` where it cannot be had, `BAD_INPUT` for what is not a picture of its size
 */
export async function knownPicture(
  known: KnownPicture,
  { file, offline }: PictureOptions,
  signal: AbortSignal,
): Promise<RawImage> {
  const { name, url } = known;
  const kept = join(cacheFolder(), "pictures", name);
  const present = file ?? (existsSync(kept) ? kept : undefined);
  if (present !== undefined) return sized(await decodeImage(present), known, present);
  if (offline) {
    const message = `${url} is not kept as ${kept}, and no request may be made: ${REMEDY}`;
    throw new TorchsightError("NOT_FOUND", message, { reason: "NOT_CACHED" });
  }
  const content = await fetched(url, signal);
  const image = await decodeImage(content).catch((cause) => {
    throw new TorchsightError("BAD_INPUT", `${url} answered with no picture: ${REMEDY}`, { cause });
  });
  sized(image, known, url);
  await store(content, kept);
  return image;
}

/** Refuses a picture of another size. */
function sized(image: RawImage, { width, height }: KnownPicture, what: string): RawImage {
  if (image.width === width && image.height === height) return image;
  const expected = `expected a picture of ${width} x ${height} pixels for ${what}`;
  const message = `${expected} but received ${image.width} x ${image.height}`;
  throw new TorchsightError("BAD_INPUT", message);
}

/** The content of an answer, of bounded size and in bounded time. */
async function fetched(url: string, signal: AbortSignal): Promise<Uint8Array> {
  // Not AbortSignal.timeout: Node.js 20 may collect it inside of AbortSignal.any, and never ends.
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(new Error("no answer in time")), TIMEOUT_MS);
  try {
    return await bodyOf(await fetch(url, { signal: AbortSignal.any([signal, late.signal]) }));
  } catch (error) {
    signal.throwIfAborted();
    const { message, cause } = error as Error;
    const why = (cause as NodeJS.ErrnoException | undefined)?.code ?? message;
    throw new TorchsightError(
      "NOT_FOUND",
      `${url} cannot be had (${why}): check the network, or ${REMEDY}`,
      { reason: "UNREACHABLE", cause: error },
    );
  } finally {
    clearTimeout(timer);
  }
}

async function bodyOf(response: Response): Promise<Uint8Array> {
  if (!response.ok) {
    // A body that nobody reads would hold its connection.
    await response.body?.cancel();
    throw new Error(`it answered ${response.status}`);
  }
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.length;
    if (bytes > MOST_BYTES) throw new Error(`it sends more than ${MOST_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** Keeps the content for the next time; where that cannot be, it is fetched again then. */
async function store(content: Uint8Array, path: string): Promise<void> {
  const temporary = `${path}.${process.pid}.tmp`;
  try {
    await mkdir(dirname(path), { recursive: true });
    await writeFile(temporary, content);
    await rename(temporary, path);
  } catch {
    await rm(temporary, { force: true }).catch(() => undefined);
  }
}
