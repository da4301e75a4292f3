import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { ArgsDef } from "citty";
import { invalidArgument } from "../core/errors.js";
import type { GeneratedText } from "../generation/types.js";
import { drawBoxes } from "../media/draw.js";
import { decodeImage, type RawImage, writeImage } from "../media/image.js";
import { PaliGemma, type PromptOptions, type SegmentedObject } from "../models/paligemma/index.js";
import { realNumber, wholeNumber } from "./arguments.js";
import { COMMON_ARGS, defineCommand, type Values } from "./command.js";
import { drawnFiles } from "./drawing.js";
import { loadOptions, MODEL_ARGS } from "./model_args.js";
import type { Output } from "./output.js";

const ARGS = {
  model: { ...COMMON_ARGS.model, required: true },
  image: { type: "string", valueHint: "FILE", description: "Pictures, all for the one prompt" },
  prompt: {
    type: "string",
    required: true,
    valueHint: "TEXT",
    description: "`caption en`, `answer en what is this?`, `detect cat`, `segment cat`, `ocr`, …",
  },
  stream: { type: "boolean", description: "Write the text as it comes" },
  "max-new-tokens": { type: "string", valueHint: "N", description: "Tokens of the text at most" },
  temperature: { type: "string", valueHint: "T", description: "Draw tokens; below 1 less freely" },
  "top-k": { type: "string", valueHint: "K", description: "Draw among the K likeliest tokens" },
  "top-p": {
    type: "string",
    valueHint: "P",
    description: "Draw among those that reach this share",
  },
  beams: { type: "string", valueHint: "N", description: "Hypotheses of a beam search" },
  stop: { type: "string", valueHint: "TEXT", description: "A text that ends the text" },
  weights: {
    type: "enum",
    options: ["int8"],
    description: "Keep the decoder's matrices as 8-bit integers",
  },
  "loc-divisor": {
    type: "enum",
    options: ["1024", "1023"],
    description: "What bins of places are divided by (1024; RefCOCO: 1023)",
  },
  draw: { type: "string", valueHint: "FILE", description: "Draw boxes and masks on the picture" },
  masks: { type: "string", valueHint: "DIR", description: "Write each mask as a PNG there" },
  ...MODEL_ARGS,
} as const satisfies ArgsDef;

type AskArgs = Values<typeof ARGS> & { readonly seed?: string | undefined };

export default defineCommand({
  name: "ask",
  description: "Asks about pictures; boxes and masks in the answer are told and drawn",
  args: ARGS,
  many: ["image", "stop"],
  async run({ args, lists, output, signal }) {
    const files = lists.image ?? [];
    const options = { ...promptOptions(args, lists.stop ?? []), signal };
    const images = await Promise.all(files.map((file) => decodeImage(file)));
    const [drawn] =
      args.draw === undefined
        ? []
        : await drawnFiles(args.draw, [{ file: pictureOf(files), kind: "image" }]);
    const bar = output.progress("loading");
    try {
      await using model = await PaliGemma.load(args.model, {
        ...loadOptions(args, signal),
        weights: args.weights as "int8" | undefined,
        onProgress: bar.onProgress,
      });
      const job = model.generate({ images, prompt: args.prompt }, options);
      if (args.stream) {
        bar.stop();
        for await (const { textDelta } of job) writeDelta(output, textDelta);
      } else {
        job.onProgress(bar.onProgress);
      }
      const text = await job;
      const [first] = images;
      const found = first ? (await model.locate(first, text, options)).objects : [];
      const masks = await writeMasks(args.masks, found);
      if (drawn !== undefined && first) await draw(first, found, drawn);
      report(output, text, found, masks, args.stream ?? false);
    } finally {
      bar.stop();
    }
  },
});

function promptOptions(args: AskArgs, stop: string[]): PromptOptions {
  return {
    maxNewTokens: wholeNumber("max-new-tokens", args["max-new-tokens"], { least: 1 }),
    temperature: realNumber("temperature", args.temperature, { least: 1e-6, most: 1e6 }),
    topK: wholeNumber("top-k", args["top-k"], { least: 1 }),
    topP: realNumber("top-p", args["top-p"], { least: 1e-6, most: 1 }),
    beams: wholeNumber("beams", args.beams, { least: 1 }),
    seed: wholeNumber("seed", args.seed),
    locDivisor: args["loc-divisor"] === "1023" ? 1023 : 1024,
    ...(stop.length > 0 && { stop }),
  };
}

function pictureOf(files: readonly string[]): string {
  const [file] = files;
  if (file !== undefined) return file;
  throw invalidArgument("--image", "a picture to draw on", files);
}

function writeDelta(output: Output, delta: string): void {
  if (output.options.json) process.stdout.write(`${JSON.stringify({ delta })}\n`);
  else process.stdout.write(delta);
}

/** A mask that was written. */
interface WrittenMask {
  file: string;
  label: string;
}

async function writeMasks(
  folder: string | undefined,
  objects: readonly SegmentedObject[],
): Promise<WrittenMask[]> {
  if (folder === undefined) return [];
  mkdirSync(folder, { recursive: true });
  const written: WrittenMask[] = [];
  for (const { label, mask } of objects) {
    if (!mask) continue;
    const file = join(folder, `mask-${written.length + 1}.png`);
    await writeImage(mask.mask, file);
    written.push({ file, label });
  }
  return written;
}

async function draw(
  image: RawImage,
  objects: readonly SegmentedObject[],
  file: string,
): Promise<void> {
  const boxes = objects.map(({ box, label, score, mask }) => ({
    ...{ box, label, score },
    ...(mask && { mask: mask.mask }),
  }));
  await writeImage(await drawBoxes(image, boxes), file);
}

function report(
  output: Output,
  { text, finishReason, tokenIds, timings }: GeneratedText,
  objects: readonly SegmentedObject[],
  masks: readonly WrittenMask[],
  streamed: boolean,
): void {
  const boxes = objects.map(({ box, label, score }) => ({ box, label, score }));
  const document = {
    text,
    finish: finishReason,
    tokens: tokenIds.length,
    ...(boxes.length > 0 && { boxes }),
    ...(masks.length > 0 && { masks }),
    seconds: timings,
  };
  const places = boxes.map(({ box, label, score }) => {
    const corners = box.map((side) => side.toFixed(1)).join(", ");
    return `${label || "object"} ${score.toFixed(3)} [${corners}]`;
  });
  const files = masks.map(({ file, label }) => `${label || "object"}: ${file}`);
  // What was streamed stands there already, without the end of its line.
  output.result(document, [streamed ? "" : text, ...places, ...files].join("\n"));
}
