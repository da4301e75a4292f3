/** Linear probes of small models for the shape of a scene's only object. */
import type { Module } from "../../core/module.js";
import { ops } from "../../core/ops.js";
import { tidy } from "../../core/scope.js";
import type { Tensor } from "../../core/tensor.js";
import type { ShapesWorld } from "../../data/shapesworld/world.js";
import { linearProbe } from "../../eval/index.js";
import { AT_ONCE, batchOf, clipsOf } from "./pictures.js";

/** Fits a probe to the first `count` scenes of one world, and tells its accuracy on another's. */
export async function probeAccuracy(
  model: Module,
  [fitted, judged]: readonly [ShapesWorld, ShapesWorld],
  count: number,
): Promise<number> {
  return await tidy(async () => {
    const known = await featuresOf(model, fitted, count);
    using probe = await linearProbe(known.features, known.labels);
    const asked = await featuresOf(model, judged, count);
    return probe.accuracy(asked.features, asked.labels);
  });
}

/** Pooled features [count, d] and shapes [count]. */
async function featuresOf(model: Module, world: ShapesWorld, count: number) {
  const [features, labels]: [Tensor[], Tensor[]] = [[], []];
  for (let first = 0; first < count; first += AT_ONCE) {
    const part = await tidy(async () => {
      const clips = clipsOf(world, first, Math.min(AT_ONCE, count - first));
      const { pixel_values, labels: shapes } = batchOf(clips, "shape");
      const { pooler_output } = await model.call("encode", { pixel_values: pixel_values! });
      return [pooler_output!, shapes!] as const;
    });
    features.push(part[0]);
    labels.push(part[1]);
  }
  return { features: ops.cat(features, 0), labels: ops.cat(labels, 0) };
}
