/** Gemma and Gemma 2: parity with transformers, caches, batches. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import { load } from "../../lib/core/load.js";
import { ops } from "../../lib/core/ops.js";
import type { Tensor } from "../../lib/core/tensor.js";
import "../../lib/models/index.js";
import type { GemmaMethods } from "../../lib/models/gemma/methods.js";
import { agrees, casesOf, fixture, tensorsOf } from "./fixtures.js";

type Named = Record<string, Tensor>;

const optionsOf = (folder: string) => JSON.parse(readFileSync(join(folder, "case.json"), "utf8"));

/** Zero where a token is padding, as in the expected values. */
const shown = (value: Tensor, mask: Tensor | undefined): Tensor =>
  mask ? ops.mul(value, ops.unsqueeze(mask, -1)) : value;

async function everything(folder: string, isolate = false): Promise<Named> {
  await using model = await load<GemmaMethods>(folder, { isolate });
  const inputs = (await tensorsOf(join(folder, "inputs.safetensors"))) as Named;
  const tokens = inputs as Named & { input_ids: Tensor };
  const { taps, ...outputs } = await model.call("forward", tokens, { taps: ["all"] });
  const values = Object.entries({ ...outputs, ...taps } as Named);
  const { sequences } = await model.call("generate", tokens, { args: optionsOf(folder) });
  const visible = values.map(([name, value]) => [name, shown(value, inputs.attention_mask)]);
  return { ...Object.fromEntries(visible), sequences };
}

for (const { name, folder } of casesOf("gemma")) {
  test(`parity with transformers: ${name}`, async (t) => {
    const got = await everything(folder);
    const expected = await tensorsOf(join(folder, "expected.safetensors"));
    t.deepEqual(Object.keys(got).sort(), Object.keys(expected).sort());
    for (const [one, value] of Object.entries(expected)) await agrees(t, one, got[one]!, value);
  });
}

test("isolated: the same numbers", async (t) => {
  const folder = fixture("gemma", "gemma2");
  const [here, away] = [await everything(folder), await everything(folder, true)];
  for (const [name, value] of Object.entries(here)) await agrees(t, name, away[name]!, value, 0);
});
