/** `torchsight encode` for models that embed pictures: one vector of unit length for each. */
import { readConfig, resolveModel } from "../core/checkpoint.js";
import { writeTensors } from "../core/files.js";
import type { LoadOptions } from "../core/load.js";
import { ops } from "../core/ops.js";
import { SigLIP } from "../models/siglip/index.js";
import type { Output } from "./output.js";

/** Whether a model is one of these. */
export function embeds(pathOrName: string): boolean {
  const { model_type: type } = (readConfig(resolveModel(pathOrName)) ?? {}) as {
    model_type?: unknown;
  };
  return typeof type === "string" && type.startsWith("siglip");
}

/** Writes the vectors of pictures to a file, or tells them one by one. */
export async function encodeEmbeddings(
  model: string,
  files: readonly string[],
  out: string | undefined,
  output: Output,
  options: LoadOptions,
): Promise<void> {
  const { signal, onProgress } = options;
  await using siglip = await SigLIP.load(model, options);
  using all = await siglip.encodeImage(files, { signal, onProgress });
  const { embeddings } = all;
  const [count, width] = embeddings.shape as [number, number];
  using host = ops.contiguous(embeddings.device === "cpu" ? embeddings : embeddings.to("cpu"));
  if (out !== undefined) {
    const metadata = { files: JSON.stringify(files) };
    await writeTensors(out, { image_embeds: host }, { signal, metadata });
    output.result({ file: out, images: files }, `${out}: image_embeds [${count}, ${width}]`);
    return;
  }
  const rows = (await host.toArray()) as unknown as number[][];
  for (const [place, file] of files.entries()) {
    const features = rows[place]!;
    const first = features.slice(0, 4).map((value) => value.toFixed(4));
    output.result({ file, features }, `${file}: ${width} features: ${first.join(" ")} …`);
  }
}
