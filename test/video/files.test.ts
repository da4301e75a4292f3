/** Generated video as files of every form, and as a contact sheet. */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import sharp from "sharp";
import { tensor } from "../../lib/core/create.js";
import { contactSheet } from "../../lib/media/contact_sheet.js";
import { decodeImage, type RawImage } from "../../lib/media/image.js";
import { videoFrames } from "../../lib/media/video.js";
import { GeneratedVideo } from "../../lib/video/index.js";
import { temporary } from "../models/fixtures.js";

const [FRAMES, HEIGHT, WIDTH, FPS] = [6, 32, 48, 12];

/** Two videos of soft waves that move. */
function waves(): GeneratedVideo {
  const shape = [2, 3, FRAMES, HEIGHT, WIDTH];
  const values = new Float32Array(shape.reduce((product, side) => product * side, 1));
  for (let at = 0; at < values.length; at += 1) {
    const x = at % WIDTH;
    const y = Math.floor(at / WIDTH) % HEIGHT;
    const frame = Math.floor(at / (WIDTH * HEIGHT)) % FRAMES;
    const plane = Math.floor(at / (WIDTH * HEIGHT * FRAMES));
    values[at] = 0.7 * Math.sin(x / 9 + plane) * Math.cos(y / 11 - frame / 3);
  }
  const facts = { fps: FPS, stages: [], random: false };
  return new GeneratedVideo(tensor(values, { shape }), facts);
}

function psnr(a: Uint8Array, b: Uint8Array): number {
  const sum = a.reduce((total, level, at) => total + (level - b[at]!) ** 2, 0);
  return 10 * Math.log10(255 ** 2 / Math.max(sum / a.length, 1e-9));
}

/** How good each form is: peak signal-to-noise ratio of its frames. */
const VIDEOS = { mp4: 35, webm: 35, y4m: 40, gif: 25, webp: 25 };

for (const [ending, least] of Object.entries(VIDEOS)) {
  test(`${ending}: frames, rate and size come back`, async (t) => {
    using video = waves();
    const path = join(temporary(t), `waves.${ending}`);
    await video.save(path, { sample: 1 });
    const known = await video.frames(1);
    if (ending === "webp") {
      const read = sharp(path, { animated: true });
      const { pages, delay, width, pageHeight } = await read.metadata();
      t.deepEqual([pages, width, pageHeight], [FRAMES, WIDTH, HEIGHT]);
      t.true(delay!.every((milliseconds) => Math.abs(milliseconds - 1000 / FPS) < 1));
      const data = await read.removeAlpha().raw().toBuffer();
      const whole = Buffer.concat(known.map((frame) => frame.data));
      t.true(psnr(new Uint8Array(data), new Uint8Array(whole)) > least);
      return;
    }
    let at = 0;
    for await (const { image, time } of videoFrames(path)) {
      // A gif tells times in hundredths of a second.
      t.true(Math.abs(time - at / FPS) < (ending === "gif" ? 0.04 : 1e-3), `${time}`);
      t.deepEqual([image.width, image.height], [WIDTH, HEIGHT]);
      const ratio = psnr(image.data, known[at]!.data);
      t.true(ratio > least, `${ending} ${at}: ${ratio}`);
      at += 1;
    }
    t.is(at, FRAMES);
  });
}

test("png: a folder of frames as they are, and levels as a tensor", async (t) => {
  using video = waves();
  const path = join(temporary(t), "waves");
  await video.save(path);
  const known = await video.frames();
  t.is(readdirSync(path).length, FRAMES);
  t.deepEqual((await decodeImage(join(path, "00003.png"))).data, known[3]!.data);
  using levels = video.toFrames();
  t.deepEqual(levels.shape, [2, FRAMES, HEIGHT, WIDTH, 3]);
  const first = (await levels.data()).subarray(0, HEIGHT * WIDTH * 3);
  t.deepEqual([...first], [...known[0]!.data]);
  await t.throwsAsync(async () => await video.frames(2), { code: "BAD_INPUT", message: /below 2/ });
});

const plain = (level: number, width = 2, height = 1): RawImage => ({
  data: new Uint8Array(width * height * 3).fill(level),
  ...{ width, height, channels: 3 },
});

test("a contact sheet: rows of frames, larger, with white between", (t) => {
  const options = { columns: 2, scale: 2, gap: 1 };
  const sheet = contactSheet([plain(10), plain(20), plain(30)], options);
  t.deepEqual([sheet.width, sheet.height, sheet.channels], [11, 7, 3]);
  const row = (y: number) => Array.from({ length: 11 }, (_, x) => sheet.data[(y * 11 + x) * 3]!);
  const white = Array.from({ length: 11 }, () => 255);
  const both = [255, 10, 10, 10, 10, 255, 20, 20, 20, 20, 255];
  const one = [255, 30, 30, 30, 30, 255, 255, 255, 255, 255, 255];
  t.deepEqual([0, 1, 2, 3, 4, 5, 6].map(row), [white, both, both, white, one, one, white]);
  const usual = contactSheet(Array.from({ length: 16 }, () => plain(0, 32, 32)));
  t.deepEqual([usual.width, usual.height], [4 * 100 + 4, 4 * 100 + 4]);
});

test("frames that fit no contact sheet are refused", (t) => {
  const refused = (frames: RawImage[], options: object, message: RegExp) =>
    t.throws(() => contactSheet(frames, options), { code: "BAD_INPUT", message });
  refused([], {}, /at least one/);
  refused([plain(0), plain(0, 3)], {}, /2 x 1 pixels/);
  refused([plain(0)], { columns: 0 }, /columns/);
  refused([plain(0)], { gap: -1 }, /gap/);
});
