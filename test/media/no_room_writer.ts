/** Writes frames of noise to a path, and tells what became of it. */
import { TorchsightError } from "../../lib/core/errors.js";
import { writeFrames } from "../../lib/media/frames_writer.js";

const [path = "", count = "1"] = process.argv.slice(2);
const SIDE = 96;

const frames = Array.from({ length: Number(count) }, (_, frame) => {
  const data = Uint8Array.from({ length: SIDE * SIDE * 3 }, (_, at) => {
    const turned = Math.sin((frame * 7919 + at) * 12.9898) * 43758.5453;
    return Math.floor((turned - Math.floor(turned)) * 256);
  });
  return { data, width: SIDE, height: SIDE, channels: 3 };
});

try {
  await writeFrames(path, frames, { fps: 8, count: frames.length });
  process.stdout.write("written\n");
} catch (error) {
  const { code, reason } = error as TorchsightError;
  const known = error instanceof TorchsightError;
  process.stdout.write(`${known ? `${code} ${reason}` : String(error)}\n`);
}
