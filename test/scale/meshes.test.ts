/** Replicas that share the batches of models with more than one kind of batch. */
import { join } from "node:path";
import test from "ava";
import { ones, randint, randn } from "../../lib/core/create.js";
import { load } from "../../lib/core/load.js";
import { ops } from "../../lib/core/ops.js";
import type { Tensor } from "../../lib/core/tensor.js";
import "../../lib/models/index.js";
import { agrees, fixture, tensorsOf } from "../models/fixtures.js";

/** The first rows of a tensor. */
const first = (tensor: Tensor, rows: number) => ops.narrow(tensor, 0, 0, rows);

test("pictures are shared, and every replica reads all texts", async (t) => {
  const folder = fixture("siglip", "base");
  const given = await tensorsOf(join(folder, "inputs.safetensors"));
  const wide = (name: string) => ops.cat([given[name]!, ops.flip(given[name]!, [0])]);
  const [pixels, ids] = [wide("pixel_values"), wide("input_ids")];
  await using whole = await load(folder);
  for (const [tensorParallel, group] of [
    [1, "gloo"],
    [2, "local"],
  ] as const) {
    await using mesh = await load(folder, { dataParallel: 2, tensorParallel, group });
    // As many texts as pictures, and not.
    for (const [pictures, texts] of [
      [2, 2],
      [3, 2],
      [2, 3],
      [3, 3],
      [1, 2],
    ] as const) {
      const inputs = { pixel_values: first(pixels, pictures), input_ids: first(ids, texts) };
      using expected = await whole.call("similarity", inputs);
      using got = await mesh.call("similarity", inputs);
      const { taps: _, ...outputs } = expected;
      for (const [name, value] of Object.entries(outputs as Record<string, Tensor>)) {
        t.deepEqual(got[name]!.shape, value.shape, name);
        await agrees(t, `${name} of ${pictures} x ${texts}`, got[name]!, value, 2e-5);
      }
    }
    const texts = { input_ids: first(ids, 3) };
    using expected = await whole.call("encode_text", texts);
    using got = await mesh.call("encode_text", texts);
    await agrees(t, "texts", got.text_embeds!, expected.text_embeds!, 2e-5);
    const both = { pixel_values: first(pixels, 2), input_ids: first(ids, 2) };
    await t.throwsAsync(async () => await mesh.call("similarity", both, { taps: ["all"] }), {
      code: "UNSUPPORTED",
      message: /results that are batches/,
    });
  }
});

test("the texts of a picture go with it", async (t) => {
  const folder = fixture("owlvit", "base");
  await using whole = await load(folder);
  await using mesh = await load(folder, { dataParallel: 2 });
  for (const [pictures, queries] of [
    [2, 1],
    [2, 3],
    [3, 2],
  ] as const) {
    const inputs = {
      pixel_values: randn([pictures, 3, 24, 24]),
      input_ids: randint(1, 64, [pictures * queries, 16]),
      attention_mask: ones([pictures * queries, 16], { dtype: "int64" }),
    };
    using expected = await whole.call("detect", inputs);
    using got = await mesh.call("detect", inputs);
    for (const name of ["logits", "pred_boxes", "text_embeds", "class_embeds"]) {
      t.deepEqual(got[name]!.shape, expected[name]!.shape, name);
      await agrees(t, name, got[name]!, expected[name]!, 2e-5);
    }
  }
  // What does not fit together is refused as by one process.
  const uneven = {
    pixel_values: randn([2, 3, 24, 24]),
    input_ids: randint(1, 64, [3, 16]),
  };
  for (const model of [whole, mesh]) {
    await t.throwsAsync(async () => await model.call("detect", uneven), {
      code: "SHAPE",
      message: /for each of 2 pictures for input_ids but received 3/,
    });
  }
});
