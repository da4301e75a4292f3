import { decodeImage, type RawImage } from "../media/image.js";
import { expandSources, type MediaSource } from "../media/sources.js";
import { videoFrames } from "../media/video.js";
import { type Detection, type DetectOptions, OwlViT, Queries } from "../models/owlvit/index.js";
import { TEMPLATES } from "../models/owlvit/prompts.js";
import { realNumber, usage, wholeNumber } from "./arguments.js";
import { COMMON_ARGS, defineCommand, type Values } from "./command.js";
import { Drawing, drawnFiles } from "./drawing.js";
import { loadOptions, MODEL_ARGS } from "./model_args.js";
import type { Output } from "./output.js";

const ARGS = {
  model: { ...COMMON_ARGS.model, required: true },
  image: {
    type: "string",
    required: true,
    valueHint: "FILE",
    description: "Pictures, videos, and folders of them",
  },
  query: { type: "string", valueHint: "TEXT", description: "What to look for" },
  example: { type: "string", valueHint: "FILE", description: "Pictures of one thing to look for" },
  box: {
    type: "string",
    valueHint: "x0,y0,x1,y1",
    description: "Where in each example it is, in pixels; else the whole picture is it",
  },
  threshold: { type: "string", valueHint: "0..1", description: "Scores must be above it (0.1)" },
  "top-k": { type: "string", valueHint: "N", description: "At most N of each picture, best first" },
  nms: {
    type: "string",
    valueHint: "IOU",
    description: "Drop boxes that overlap a better one by more (examples: 0.3)",
  },
  draw: {
    type: "string",
    valueHint: "FILE",
    description: "Draw the boxes: a file for one source, a folder for several",
  },
  templates: {
    type: "enum",
    options: Object.keys(TEMPLATES),
    description: "Sentences that each query is put into; their logits are averaged",
  },
  "multi-label": { type: "boolean", description: "Report a box for several queries" },
  clip: { type: "boolean", description: "Cut boxes at the picture's edges" },
  size: { type: "string", valueHint: "PIXELS", description: "Side of what the model sees" },
  "pad-value": {
    type: "string",
    valueHint: "0..1",
    description: "What OWLv2's pictures are padded with (0.5; transformers 5 pads with 0)",
  },
  fps: { type: "string", valueHint: "N", description: "Frames of a video to look at each second" },
  ...MODEL_ARGS,
} as const;

type DetectArgs = Values<typeof ARGS>;

export default defineCommand({
  name: "detect",
  description: "Finds what texts describe or examples show, in pictures and videos",
  args: ARGS,
  many: ["image", "query", "example", "box"],
  async run({ args, lists, output, signal }) {
    const options = { ...detectOptions(args), signal };
    const boxes = boxesOf(lists);
    const fps = realNumber("fps", args.fps, { least: 1e-3, most: 1000 });
    const sources: MediaSource[] = [];
    for await (const source of expandSources(lists.image ?? [])) sources.push(source);
    const files = args.draw === undefined ? [] : await drawnFiles(args.draw, sources);
    const bar = output.progress("loading");
    const { onProgress } = bar;
    try {
      await using model = await OwlViT.load(args.model, {
        ...loadOptions(args, signal),
        onProgress,
      });
      using queries = await queriesOf(model, lists, boxes, { ...options, onProgress });
      await using drawing = new Drawing(files, queries.labels, signal);
      for (const [index, source] of sources.entries()) {
        for await (const { image, frame } of framesOf(source, { fps, signal })) {
          const found = await model.detect(image, queries, { ...options, onProgress });
          report(output, source.file, image, frame, found);
          await drawing.add(index, image, found, frame?.time);
        }
        await drawing.finish();
      }
    } finally {
      bar.stop();
    }
  },
});

function detectOptions(args: DetectArgs): DetectOptions {
  return {
    threshold: realNumber("threshold", args.threshold, { least: 0, most: 1 }),
    topK: wholeNumber("top-k", args["top-k"], { least: 1 }),
    nmsIou: realNumber("nms", args.nms, { least: 0, most: 1 }),
    size: wholeNumber("size", args.size, { least: 1 }),
    padValue: realNumber("pad-value", args["pad-value"], { least: 0, most: 1 }),
    templates: args.templates as DetectOptions["templates"],
    multiLabel: args["multi-label"],
    clip: args.clip,
  };
}

/** The boxes of the examples. Throws `USAGE` for what does not go together. */
function boxesOf({ query = [], example = [], box = [] }: Record<string, string[]>): number[][] {
  if (query.length === 0 && example.length === 0) throw usage("missing --query or --example");
  if (query.length > 0 && example.length > 0)
    throw usage("--query and --example exclude each other");
  if (box.length > example.length) throw usage("each --box belongs to an --example");
  return box.map((text) => {
    const corners = text.split(",").map((part) => (part.trim() === "" ? Number.NaN : Number(part)));
    if (corners.length === 4 && corners.every(Number.isFinite)) return corners;
    throw usage(`expected x0,y0,x1,y1 for --box but received ${text}`);
  });
}

async function queriesOf(
  model: OwlViT,
  { query = [], example = [] }: Record<string, string[]>,
  boxes: readonly number[][],
  options: DetectOptions,
): Promise<Queries> {
  if (query.length > 0) return await model.embedText(query, options);
  const queries: Queries[] = [];
  try {
    for (const [index, file] of example.entries()) {
      queries.push(await model.embedImageQuery(file, { ...options, box: boxes[index] }));
    }
    return Queries.average(queries);
  } finally {
    for (const one of queries) one.dispose();
  }
}

/** A picture, and where it stands in its video. */
interface Frame {
  image: RawImage;
  frame?: { index: number; time: number };
}

async function* framesOf(
  { file, kind }: MediaSource,
  options: { fps: number | undefined; signal: AbortSignal },
): AsyncGenerator<Frame, void, undefined> {
  if (kind === "image") {
    yield { image: await decodeImage(file) };
    return;
  }
  for await (const { image, index, time } of videoFrames(file, options)) {
    yield { image, frame: { index, time } };
  }
}

function report(
  output: Output,
  file: string,
  { width, height }: RawImage,
  frame: Frame["frame"],
  found: readonly Detection[],
): void {
  const detections = found.map(({ box, score, label, query, truncated }) => ({
    ...{ box, score, label, query },
    ...(truncated && { truncated }),
  }));
  const place = frame && { frame: frame.index, time: frame.time };
  const name = frame ? `${file} at ${frame.time.toFixed(2)} s` : file;
  const lines = found.map(({ box, score, label }) => {
    const corners = box.map((side) => side.toFixed(1)).join(", ");
    return `${name}: ${label} ${score.toFixed(3)} [${corners}]`;
  });
  const text = lines.length > 0 ? lines.join("\n") : `${name}: nothing found`;
  output.result({ file, ...place, width, height, detections }, text);
}
