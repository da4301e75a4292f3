/** OWL-ViT and OWLv2: parity with transformers, the checkpoint contract, what is refused. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import { tensor } from "../../lib/core/create.js";
import { load } from "../../lib/core/load.js";
import type { Tensor } from "../../lib/core/tensor.js";
import "../../lib/models/index.js";
import type { OwlViTMethods } from "../../lib/models/owlvit/methods.js";
import { agrees, casesOf, fixture, numbers, tensorsOf } from "./fixtures.js";

/** What transformers puts where a query is padding. */
const MASKED = -3e38;

/** `logits` without those of queries that are padding, as one row of numbers. */
async function real(logits: Tensor): Promise<{ kept: Tensor; masked: number[] }> {
  const values = [...(await numbers(logits))];
  const masked = values.flatMap((value, place) => (value < MASKED ? [place] : []));
  return { kept: tensor(values.filter((value) => value >= MASKED)), masked };
}

async function everything(folder: string, isolate = false) {
  await using model = await load<OwlViTMethods>(folder, { isolate });
  const inputs = await tensorsOf(join(folder, "inputs.safetensors"));
  const { pixel_values, query_pixel_values, input_ids, attention_mask } = inputs as {
    [name: string]: Tensor;
  };
  const args = JSON.parse(readFileSync(join(folder, "case.json"), "utf8"));
  const asked = { args, taps: ["all"] };
  const { taps, ...outputs } = await model.call(
    "detect",
    { pixel_values: pixel_values!, input_ids: input_ids!, attention_mask },
    asked,
  );
  const { taps: _, ...guided } = await model.call(
    "detect_image_guided",
    { pixel_values: pixel_values!, query_pixel_values: query_pixel_values! },
    { args },
  );
  const query = await model.call("embed_image", { pixel_values: query_pixel_values! }, { args });
  const { class_embeds, pred_boxes } = query;
  const picked = await model.call("select_query", { class_embeds, pred_boxes });
  const prefixed = Object.entries(guided).map(([name, value]) => [`guided.${name}`, value]);
  return {
    ...outputs,
    ...taps,
    ...Object.fromEntries(prefixed),
    "guided.query_embeds": picked.query_embeds,
    "guided.best_index": picked.query_indices,
  } as Record<string, Tensor>;
}

for (const { name, folder } of casesOf("owlvit")) {
  test(`parity with transformers: ${name}`, async (t) => {
    const got = await everything(folder);
    const expected = await tensorsOf(join(folder, "expected.safetensors"));
    t.deepEqual(Object.keys(got).sort(), Object.keys(expected).sort());
    for (const [one, value] of Object.entries(expected)) {
      if (one !== "logits") {
        await agrees(t, one, got[one]!, value);
        continue;
      }
      const [ours, theirs] = [await real(got.logits!), await real(value)];
      t.deepEqual(ours.masked, theirs.masked, "queries that are padding");
      await agrees(t, one, ours.kept, theirs.kept);
    }
  });
}

test("isolated: the same numbers", async (t) => {
  const folder = fixture("owlvit", "base_v2");
  const [here, away] = [await everything(folder), await everything(folder, true)];
  t.deepEqual(Object.keys(away).sort(), Object.keys(here).sort());
  for (const [name, value] of Object.entries(here)) await agrees(t, name, away[name]!, value, 0);
});
