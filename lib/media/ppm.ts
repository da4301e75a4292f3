/** Pictures in a row as binary PPM, the simplest format that tells their size. */
import { TorchsightError } from "../core/errors.js";
import { MAX_PIXELS, type RawImage } from "./image.js";

/** Bytes that a header has at most. */
const HEADER = 64;

/** Reads 8 bit PPM pictures from a stream; one that is not complete is left out. */
export async function* readPpm(stream: AsyncIterable<Buffer>): AsyncGenerator<RawImage, void> {
  let picture: RawImage | undefined;
  let filled = 0;
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of stream) {
    rest = rest.length > 0 ? Buffer.concat([rest, chunk]) : chunk;
    while (rest.length > 0) {
      if (!picture) {
        const header = headerOf(rest);
        if (!header) break;
        picture = header.picture;
        filled = 0;
        rest = rest.subarray(header.length);
      }
      const taken = rest.subarray(0, picture.data.length - filled);
      picture.data.set(taken, filled);
      filled += taken.length;
      rest = rest.subarray(taken.length);
      if (filled < picture.data.length) break;
      yield picture;
      picture = undefined;
    }
  }
}

/** The empty picture that a header announces, or nothing where more of it has to come. */
function headerOf(bytes: Buffer): { picture: RawImage; length: number } | undefined {
  const text = bytes.toString("latin1", 0, HEADER);
  const [header, width, height] = /^P6\n(\d+) (\d+)\n255\n/.exec(text) ?? [];
  if (header === undefined) {
    if (bytes.length < HEADER) return undefined;
    throw new TorchsightError("INTERNAL", "expected pictures in PPM from ffmpeg");
  }
  const size = { width: Number(width), height: Number(height) };
  if (size.width * size.height > MAX_PIXELS) {
    const message = `expected at most ${MAX_PIXELS} pixels but received ${width} x ${height}`;
    throw new TorchsightError("BAD_INPUT", message);
  }
  const data = new Uint8Array(size.width * size.height * 3);
  return { picture: { data, ...size, channels: 3 }, length: header.length };
}
