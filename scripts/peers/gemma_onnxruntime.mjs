// onnxruntime-node as a decoding peer of `npm run bench`, see gemma_peer.mjs. It is looked for from
// the working directory, and runs what gemma_export.py writes into FOLDER/onnx.
import { createRequire } from "node:module";
import { join } from "node:path";
import { serve } from "./gemma_peer.mjs";

const require = createRequire(join(process.cwd(), "package.json"));
const ort = require("onnxruntime-node");

const asIds = (ids) => new ort.Tensor("int64", BigInt64Array.from(ids, BigInt), [1, ids.length]);

function likeliest(logits) {
  let best = 0;
  for (let id = 1; id < logits.length; id++) if (logits[id] > logits[best]) best = id;
  return best;
}

/** Keys and values as the next step takes them. */
function pastOf({ logits, ...caches }) {
  return Object.fromEntries(Object.entries(caches).map(([name, one]) => [`past_${name}`, one]));
}

await serve(async ({ folder, prompt, steps, threads }) => {
  const open = (name) =>
    ort.InferenceSession.create(join(folder, "onnx", name), {
      intraOpNumThreads: threads,
      interOpNumThreads: 1,
      graphOptimizationLevel: "all",
    });
  const [prefill, step] = [await open("prefill.onnx"), await open("step.onnx")];
  let read;
  return {
    async prefill() {
      read = await prefill.run({ input_ids: asIds(prompt) });
      const { logits } = read;
      return () => logits.data;
    },
    async decode() {
      let last = read;
      const tokens = [likeliest(last.logits.data)];
      for (let i = 0; i < steps; i++) {
        last = await step.run({ input_ids: asIds(tokens.slice(-1)), ...pastOf(last) });
        tokens.push(likeliest(last.logits.data));
      }
      return tokens;
    },
  };
});
