/** Pictures by features of a tower that stays as it is: locked-image tuning. */
import type { Module } from "../core/module.js";
import { disposablesIn, noGrad } from "../core/scope.js";
import type { Tensor } from "../core/tensor.js";
import { type Batch, type Loader, resumable } from "./loader.js";

/** Which features are taken. */
export interface LockedOptions {
  /** Default `encode`. */
  method?: string | undefined;
  /** The output [B, E] of that method. Default `pooler_output`. */
  output?: string | undefined;
}

/**
 * The batches of `loader` with `image_embeds` of `tower` in the place of their `pixel_values`, as
 * training of a text tower beside a locked image tower takes them (LiT, Zhai et al., arXiv
 * 2111.07991). The tower is called and never changed; the text tower must project to the size of
 * its features.
 *
 * @example
 * ```ts
 * using trainer = new Trainer(siglip, {
 *   loss: "softmax",
 *   groups: [{ pattern: "vision_model.*", frozen: true }],
 * });
 * for await (const { loss } of trainer.fit(lockedImages(vit, pairs))) console.log(loss);
 * ```
 */
export function lockedImages(
  tower: Pick<Module, "call">,
  loader: Loader,
  { method = "encode", output = "pooler_output" }: LockedOptions = {},
): Loader {
  const batches = async function* (): AsyncGenerator<Batch> {
    for await (const { pixel_values, ...texts } of loader) {
      using pixels = pixel_values;
      const result = await noGrad(() => tower.call(method, { pixel_values: pixels }));
      const { [output]: image_embeds, ...rest } = result as Record<string, Tensor>;
      for (const tensor of disposablesIn(rest)) tensor.dispose();
      yield { ...texts, image_embeds: image_embeds! };
    }
  };
  const place = resumable(loader)
    ? { cursor: () => loader.cursor(), seek: (cursor: unknown) => loader.seek!(cursor) }
    : {};
  return { [Symbol.asyncIterator]: batches, ...place };
}
