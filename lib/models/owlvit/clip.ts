/**
 * A detector to be trained, out of a CLIP checkpoint: its towers, with the positions of pictures
 * resized to the detector's grid and those of texts cut to its context, and fresh heads (Minderer
 * et al., arXiv 2205.06230, section 3; scenic, `projects/owl_vit/clip/layers.py`, `utils.py`).
 */
import { resolve } from "node:path";
import { folderOf, openCheckpoint, readConfig, weightsFile } from "../../core/checkpoint.js";
import { type ComposeControl, composeJob, type Steps } from "../../core/compose.js";
import { badField, objectOf } from "../../core/config.js";
import { TorchsightError } from "../../core/errors.js";
import { readTensors, writeTensors } from "../../core/files.js";
import type { Job } from "../../core/job.js";
import { createModule } from "../../core/load.js";
import { ops } from "../../core/ops.js";
import { tidy } from "../../core/scope.js";
import type { Tensor } from "../../core/tensor.js";
import { axis, resample } from "../../media/resample.js";
import { cornerAligned } from "../../media/resample_rules.js";
import { copyTokenizer } from "../../text/of_model.js";
import { type OwlViTConfig, parseConfig } from "./config.js";

/** What the detector is to be. */
export interface FromClipOptions extends ComposeControl {
  /** Default `owlvit`; `owlv2` adds a head for objectness. */
  modelType?: OwlViTConfig["model_type"] | undefined;
  /** Pixels of a side. Default 768. */
  imageSize?: number | undefined;
  /** Of the fresh heads' weights. Default 0. */
  seed?: number | undefined;
}

/** Tokens of a query, where CLIP reads 77. */
const CONTEXT = 16;

/**
 * Writes a detector's checkpoint to the folder `target` from the CLIP checkpoint in `source`, in
 * transformers' layout. Weights are widened to float32. Rejects with `BAD_CONFIG` for what is not
 * CLIP, and with `BAD_CHECKPOINT` where tensors are missing or do not fit.
 */
export function fromClip(source: string, target: string, options: FromClipOptions = {}): Job<void> {
  return composeJob(options, async (steps) => {
    const config = configFrom(readConfig(source), options);
    {
      await using fresh = await steps.run(
        createModule(config, { seed: options.seed ?? 0, ...steps.control }),
      );
      await steps.run(
        fresh.save(target, { shardBytes: Number.MAX_SAFE_INTEGER, ...steps.control }),
      );
    }
    const file = weightsFile(resolve(target));
    await tidy(async () => {
      const clip = await readAll(weightsFile(source), steps);
      const made = await steps.run(readTensors(file, steps.control));
      for (const [name, tensor] of Object.entries(made)) {
        const taken = await tower(name, tensor, clip, steps);
        if (taken) made[name] = taken;
      }
      await steps.run(writeTensors(file, made, { metadata: { format: "pt" }, ...steps.control }));
    });
    copyTokenizer(folderOf(source), target);
  });
}

function configFrom(input: unknown, options: FromClipOptions): OwlViTConfig {
  const clip = objectOf(input, "the config");
  if (clip.model_type !== "clip") throw badField("model_type", "clip", clip.model_type);
  const { modelType = "owlvit", imageSize = 768 } = options;
  const vision = objectOf(clip.vision_config ?? {}, "vision_config");
  const text = objectOf(clip.text_config ?? {}, "text_config");
  return parseConfig({
    model_type: modelType,
    // CLIP's own default, which differs from OWLv2's.
    vision_config: { patch_size: 32, ...vision, image_size: imageSize },
    text_config: { ...text, max_position_embeddings: CONTEXT },
    projection_dim: clip.projection_dim,
  });
}

/** All tensors of a checkpoint, whole or in shards. */
async function readAll(file: string, steps: Steps): Promise<Record<string, Tensor>> {
  const all: Record<string, Tensor> = {};
  const files = new Set(openCheckpoint(file).tensors.map((tensor) => tensor.file));
  for (const one of files) Object.assign(all, await steps.run(readTensors(one, steps.control)));
  return all;
}

/** What CLIP has for a parameter of the towers; undefined for those of the heads. */
async function tower(
  name: string,
  { shape }: Tensor,
  clip: Readonly<Record<string, Tensor>>,
  steps: Steps,
): Promise<Tensor | undefined> {
  const own = /^owl(?:vit|v2)\.(.+)$/.exec(name)?.[1];
  if (own === undefined) return undefined;
  const theirs = own.replace("pre_layernorm", "pre_layrnorm");
  const found = clip[theirs]?.to("float32");
  if (!found) throw misfit(`expected the tensor ${theirs} of CLIP but found none`);
  const fitted = own.endsWith("vision_model.embeddings.position_embedding.weight")
    ? await resizedPositions(found, Math.sqrt(shape[0]! - 1), steps)
    : own.endsWith("text_model.embeddings.position_embedding.weight")
      ? ops.contiguous(ops.narrow(found, 0, 0, Math.min(CONTEXT, found.shape[0]!)))
      : found;
  if (`${fitted.shape}` === `${shape}`) return fitted;
  throw misfit(`expected shape [${shape}] for ${theirs} but received [${found.shape}]`);
}

/**
 * A table of positions, [1 + h h, d] with that of the class token first, for a grid of `side` by
 * `side`: corners stay corners, linear between (SciPy's `zoom` of order 1).
 */
export async function resizedPositions(
  table: Tensor,
  side: number,
  steps: Steps,
): Promise<Tensor<"float32">> {
  const [rows, width] = table.shape as [number, number];
  const grid = Math.round(Math.sqrt(rows - 1));
  if (grid * grid !== rows - 1) throw misfit(`expected a square grid but received [${rows}]`);
  return await tidy(async () => {
    const table_hwd = ops.reshape(ops.narrow(table, 0, 1, rows - 1), [grid, grid, width]);
    const along = axis(cornerAligned(grid, side), grid, side);
    const resized_dhw = await resample(table_hwd, along, along, {}, steps);
    const resized_Nd = ops.transpose(ops.reshape(resized_dhw, [width, side * side]), 0, 1);
    return ops.cat([ops.narrow(table, 0, 0, 1), resized_Nd]).as("float32");
  });
}

function misfit(message: string): TorchsightError {
  return new TorchsightError("BAD_CHECKPOINT", message, { reason: "NAMES_OR_SHAPES" });
}
