import { SigLIP } from "../models/siglip/index.js";
import { COMMON_ARGS, defineCommand } from "./command.js";
import { loadOptions, MODEL_ARGS } from "./model_args.js";

export default defineCommand({
  name: "similar",
  description: "Tells how well pictures fit texts",
  args: {
    model: { ...COMMON_ARGS.model, required: true },
    image: { type: "string", required: true, valueHint: "FILE", description: "Pictures" },
    text: { type: "string", required: true, valueHint: "TEXT", description: "Texts" },
    ...MODEL_ARGS,
  },
  many: ["image", "text"],
  async run({ args, lists, output, signal }) {
    const { image: images = [], text: texts = [] } = lists;
    const bar = output.progress("loading");
    const { onProgress } = bar;
    let scores: number[][];
    try {
      const options = { ...loadOptions(args, signal), onProgress };
      await using model = await SigLIP.load(args.model, options);
      ({ scores } = await model.similarity(images, texts, { signal, onProgress }));
    } finally {
      bar.stop();
    }
    output.result({ images, texts, scores }, table(images, texts, scores));
  },
});

/** A line for each picture, its texts from the best to the worst. */
function table(images: readonly string[], texts: readonly string[], scores: number[][]): string {
  const lines = images.map((image, row) => {
    const ranked = scores[row]!.map((score, column) => ({ score, text: texts[column]! }));
    ranked.sort((a, b) => b.score - a.score);
    return `${image}: ${ranked.map(({ text, score }) => `${text} ${score.toFixed(4)}`).join(", ")}`;
  });
  return lines.join("\n");
}
