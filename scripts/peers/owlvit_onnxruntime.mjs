// onnxruntime-node as a detecting peer of `npm run bench`, see owlvit_peer.mjs: the model alone,
// with our own handling of pictures, texts and boxes around it. It is looked for from the working
// directory, and runs FOLDER/onnx/model.onnx, which owlvit_export.py writes.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { composeJob } from "../../dist/core/compose.js";
import { setThreads } from "../../dist/index.js";
import { decodeImage } from "../../dist/media/image.js";
import { bestQueries, textDetections } from "../../dist/models/owlvit/postprocessing.js";
import { boxMap, toPixelValues } from "../../dist/models/owlvit/processing.js";
import { parseProcessor } from "../../dist/models/owlvit/processor.js";
import { tokenizeQueries } from "../../dist/models/owlvit/text.js";
import { Tokenizer } from "../../dist/text/tokenizer.js";
import { serve } from "./owlvit_peer.mjs";

const require = createRequire(join(process.cwd(), "package.json"));
const ort = require("onnxruntime-node");

/** Texts as `input_ids` and `attention_mask`, as long as the longest. */
function encoded(tokenizer, queries) {
  const { ids, attentionMask, length } = tokenizeQueries(tokenizer, queries);
  const context = ids.length / queries.length;
  const cut = (rows) => rows.filter((_, i) => i % context < length);
  const tensor = (rows) => new ort.Tensor("int64", cut(rows), [queries.length, length]);
  return { input_ids: tensor(ids), attention_mask: tensor(attentionMask) };
}

await serve(async ({ folder, picture, threads }) => {
  setThreads(threads);
  const read = (name) => JSON.parse(readFileSync(join(folder, name), "utf8"));
  const { model_type, vision_config } = read("config.json");
  const imageSize = vision_config.image_size;
  const processor = parseProcessor(read("preprocessor_config.json"), { model_type, imageSize });
  const tokenizer = await Tokenizer.load(folder);
  const session = await ort.InferenceSession.create(join(folder, "onnx", "model.onnx"), {
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    graphOptimizationLevel: "all",
  });

  async function detect(queries, threshold) {
    const image = await decodeImage(picture);
    const pixels = await composeJob({}, (steps) => toPixelValues([image], processor, steps));
    const values = new ort.Tensor("float32", await pixels.data(), pixels.shape);
    pixels.dispose();
    const texts = encoded(tokenizer, queries);
    const { logits, pred_boxes } = await session.run({ ...texts, pixel_values: values });
    const pairs = bestQueries(logits.data, queries.length);
    return textDetections(pairs, pred_boxes.data, boxMap(image, processor), { threshold });
  }

  return {
    detect,
    async everything(queries) {
      const { boxes, scores, queries: labels } = await detect(queries, 0);
      const box = (_, i) => Array.from(boxes.subarray(4 * i, 4 * i + 4));
      return {
        boxes: Array.from(scores, box),
        scores: Array.from(scores),
        labels: Array.from(labels),
      };
    },
  };
});
