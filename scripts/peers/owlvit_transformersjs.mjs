// transformers.js as a detecting peer of `npm run bench`, see owlvit_peer.mjs. It is looked for
// from the working directory, and reads FOLDER/onnx/model.onnx, which owlvit_export.py writes.
import { createRequire } from "node:module";
import { basename, dirname, join } from "node:path";
import { serve } from "./owlvit_peer.mjs";

const require = createRequire(join(process.cwd(), "package.json"));
const { env, pipeline, RawImage } = require("@huggingface/transformers");

await serve(async ({ folder, picture, threads }) => {
  env.allowRemoteModels = false;
  env.localModelPath = dirname(folder);
  const detector = await pipeline("zero-shot-object-detection", basename(folder), {
    dtype: "fp32",
    device: "cpu",
    session_options: { intraOpNumThreads: threads, interOpNumThreads: 1 },
  });
  return {
    detect: (queries, threshold) => detector(picture, queries, { threshold }),
    async everything(queries) {
      // Boxes in pixels would be whole numbers.
      const found = await detector(picture, queries, { threshold: 0, percentage: true });
      const { width, height } = await RawImage.read(picture);
      return {
        boxes: found.map(({ box: { xmin, ymin, xmax, ymax } }) => [
          xmin * width,
          ymin * height,
          xmax * width,
          ymax * height,
        ]),
        scores: found.map(({ score }) => score),
        labels: found.map(({ label }) => queries.indexOf(label)),
      };
    },
  };
});
