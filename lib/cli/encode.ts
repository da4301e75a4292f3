import { TorchsightError } from "../core/errors.js";
import { writeTensors } from "../core/files.js";
import { ops } from "../core/ops.js";
import type { Tensor } from "../core/tensor.js";
import { ViT22B } from "../models/vit22b/index.js";
import { COMMON_ARGS, defineCommand } from "./command.js";
import { embeds, encodeEmbeddings } from "./encode_embeddings.js";
import { loadOptions, MODEL_ARGS } from "./model_args.js";

/** Pictures that are encoded at once. */
const BATCH = 8;

export default defineCommand({
  name: "encode",
  description: "Turns pictures into features",
  args: {
    model: { ...COMMON_ARGS.model, required: true },
    image: { type: "string", required: true, valueHint: "FILE", description: "Pictures" },
    out: { type: "string", valueHint: "FILE", description: "A safetensors file for the features" },
    ...MODEL_ARGS,
  },
  many: ["image"],
  async run({ args, lists, output, signal }) {
    const files = lists.image ?? [];
    const bar = output.progress("loading");
    const { onProgress } = bar;
    const pooled: Tensor[] = [];
    const tokens: Tensor[] = [];
    try {
      if (embeds(args.model)) {
        const options = { ...loadOptions(args, signal), onProgress };
        await encodeEmbeddings(args.model, files, args.out, output, options);
        return;
      }
      await using model = await ViT22B.load(args.model, {
        ...loadOptions(args, signal),
        onProgress,
      });
      if (model.config.pooling === "none" && args.out === undefined) {
        throw new TorchsightError(
          "UNSUPPORTED",
          "expected a model that pools its tokens; with --out the tokens are written instead",
        );
      }
      for (let first = 0; first < files.length; first += BATCH) {
        const batch = files.slice(first, first + BATCH);
        using result = await model.encode(batch, { signal, onProgress });
        if (args.out !== undefined) {
          tokens.push(onHost(result.last_hidden_state));
          if (result.pooler_output) pooled.push(onHost(result.pooler_output));
          continue;
        }
        const rows = (await onHost(result.pooler_output!).toArray()) as number[][];
        batch.forEach((file, index) => {
          const features = rows[index]!;
          output.result({ file, features }, `${file}: ${preview(features)}`);
        });
      }
    } finally {
      bar.stop();
    }
    if (args.out === undefined) return;
    const tensors = {
      last_hidden_state: ops.cat(tokens),
      ...(pooled.length > 0 && { pooler_output: ops.cat(pooled) }),
    };
    await writeTensors(args.out, tensors, { signal, metadata: { files: JSON.stringify(files) } });
    const shape = tensors.last_hidden_state.shape.join(", ");
    output.result({ file: args.out, images: files }, `${args.out}: last_hidden_state [${shape}]`);
  },
});

function onHost(tensor: Tensor): Tensor {
  const host = tensor.device === "cpu" ? tensor : tensor.to("cpu");
  // A copy of its own: the result is freed as a whole.
  return ops.clone(host.to("float32"));
}

function preview(features: number[]): string {
  const first = features.slice(0, 4).map((value) => value.toFixed(4));
  return `${features.length} features: ${first.join(" ")} …`;
}
