import { writeFileSync } from "node:fs";
import { extname } from "node:path";
import { type ShapesAnnotations, type ShapesClip, ShapesWorld } from "../data/shapesworld/index.js";
import { drawBoxes } from "../media/draw.js";
import { framesForm, writeFrames } from "../media/frames_writer.js";
import { IMAGE_ENDINGS, type RawImage } from "../media/image.js";
import { requireFolderOf } from "../media/paths.js";
import { VIDEO_ENDINGS } from "../media/video.js";
import { realNumber, usage, wholeNumber } from "./arguments.js";
import { defineCommand } from "./command.js";

/** Frames of a clip that is no picture. */
const FRAMES = 16;

export default defineCommand({
  name: "shapes",
  description: "Draws a clip of Shapes World, and tells all that is known of it",
  args: {
    index: { type: "string", valueHint: "I", description: "Which clip of the seed's (0)" },
    size: { type: "string", valueHint: "WxH", default: "224x224", description: "Pixels" },
    frames: {
      type: "string",
      valueHint: "N",
      description: `Frames (${FRAMES}; one where the file is a still picture)`,
    },
    fps: { type: "string", valueHint: "N", description: "Frames a second (8)" },
    overlay: { type: "boolean", description: "Draw boxes about what is seen of the objects" },
    out: {
      type: "string",
      required: true,
      valueHint: "FILE",
      description: `A picture, a video (${VIDEO_ENDINGS.join(", ")}), or a folder for PNG files`,
    },
    annotations: {
      type: "string",
      valueHint: "FILE",
      description: "A JSON file for captions, objects, tracks, relations and questions",
    },
  },
  async run({ args, output, signal }) {
    const frames = wholeNumber("frames", args.frames, { least: 1, most: 10_000 });
    const count = frames ?? (isStill(args.out) ? 1 : FRAMES);
    if (count > 1 && isStill(args.out)) {
      throw usage(`expected a video or a folder for ${count} frames but received ${args.out}`);
    }
    const world = new ShapesWorld({
      seed: wholeNumber("seed", args.seed),
      size: sizeOf(args.size),
      frames: count,
      fps: realNumber("fps", args.fps, { least: 0.01, most: 1000 }),
    });
    const clip = world.clip(wholeNumber("index", args.index) ?? 0);
    framesForm(args.out, count);
    if (args.annotations !== undefined) await requireFolderOf(args.annotations);
    const bar = output.progress("drawing");
    try {
      const drawn = drawnFrames(clip, args.overlay === true, (done) => bar.update(done, count));
      await writeFrames(args.out, drawn, { fps: clip.fps, count, signal });
    } finally {
      bar.stop();
    }
    const annotations = clip.annotations();
    if (args.annotations !== undefined) {
      writeFileSync(args.annotations, `${JSON.stringify(annotations)}\n`);
    }
    output.result(annotations, describe(args.out, annotations));
  },
});

/** Whether a file can hold no more than one frame. */
function isStill(path: string): boolean {
  const ending = extname(path).toLowerCase();
  const among = (endings: readonly string[]) => endings.includes(ending);
  return among(IMAGE_ENDINGS) && !among(VIDEO_ENDINGS);
}

function sizeOf(text: string): [width: number, height: number] {
  const match = /^(\d+)x(\d+)$/.exec(text);
  if (match) return [Number(match[1]), Number(match[2])];
  throw usage(`expected a width and a height as in 224x224 for --size but received ${text}`);
}

async function* drawnFrames(
  clip: ShapesClip,
  overlay: boolean,
  onFrame: (done: number) => void,
): AsyncGenerator<RawImage> {
  let done = 0;
  for (const frame of clip) {
    yield overlay ? await overlaid(clip, frame, done) : frame;
    done += 1;
    onFrame(done);
  }
}

async function overlaid(clip: ShapesClip, frame: RawImage, at: number): Promise<RawImage> {
  const boxes = clip.objects.flatMap(({ id, color, shape, boxes }) => {
    const box = boxes[at];
    return box ? [{ box, label: `${id} ${color} ${shape}` }] : [];
  });
  return await drawBoxes(frame, boxes, {
    labels: clip.objects.map(({ id, color, shape }) => `${id} ${color} ${shape}`),
  });
}

function describe(file: string, { width, height, frames, ...rest }: ShapesAnnotations): string {
  const { fps, captions, objects, questions } = rest;
  const what = frames === 1 ? "a picture" : `${frames} frames at ${fps} a second`;
  const lines = [`${file}: ${width} x ${height}, ${what}`, ...captions];
  for (const { id, size, color, fill, shape, actions } of objects) {
    const doing = actions.map(({ name, start, end }) => `${name} ${start}-${end} s`);
    lines.push(`  ${id} ${size} ${color} ${fill} ${shape}: ${doing.join(", ")}`);
  }
  lines.push(...questions.map(({ question, answer }) => `${question} ${answer}`));
  return lines.join("\n");
}
