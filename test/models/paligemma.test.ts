/** PaliGemma: parity with transformers, the prefix, caches. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import { load } from "../../lib/core/load.js";
import { ops } from "../../lib/core/ops.js";
import type { Tensor } from "../../lib/core/tensor.js";
import "../../lib/models/index.js";
import type { PaliGemmaMethods, PromptInputs } from "../../lib/models/paligemma/methods.js";
import { agrees, casesOf, fixture, tensorsOf } from "./fixtures.js";

type Named = Record<string, Tensor>;

const optionsOf = (folder: string) => JSON.parse(readFileSync(join(folder, "case.json"), "utf8"));

/** What transformers shows of padding means nothing; the expected values have zeros there. */
function shown(name: string, value: Tensor, mask: Tensor): Tensor {
  const ofTokens = /^(embeddings|blocks\.\d+|norm|logits)$/.test(name);
  return ofTokens ? ops.mul(value, ops.unsqueeze(mask, -1)) : value;
}

async function everything(folder: string, isolate = false): Promise<Named> {
  await using model = await load<PaliGemmaMethods>(folder, { isolate });
  const {
    "prompt.input_ids": input_ids,
    "prompt.attention_mask": attention_mask,
    ...rest
  } = (await tensorsOf(join(folder, "inputs.safetensors"))) as Named;
  const inputs = rest as unknown as PromptInputs & Named;
  const { taps, ...outputs } = await model.call("forward", inputs, { taps: ["all"] });
  const values = Object.entries({ ...outputs, ...taps } as Named)
    // Without pictures there is nothing to see.
    .map(([name, value]) => [name, shown(name, value, inputs.attention_mask!)] as const);
  const { logprobs } = await model.call("score", inputs);
  const prompt = { input_ids: input_ids!, attention_mask, pixel_values: inputs.pixel_values };
  const { sequences } = await model.call("generate", prompt, { args: optionsOf(folder) });
  const [before, all] = [input_ids!.shape[1]!, inputs.input_ids.shape[1]!];
  const suffix = all > before ? { logprobs: ops.narrow(logprobs, 1, before, all - before) } : {};
  return { ...Object.fromEntries(values), ...suffix, sequences };
}

for (const { name, folder } of casesOf("paligemma")) {
  test(`parity with transformers: ${name}`, async (t) => {
    const got = await everything(folder);
    const expected = await tensorsOf(join(folder, "expected.safetensors"));
    t.deepEqual(Object.keys(got).sort(), Object.keys(expected).sort());
    for (const [one, value] of Object.entries(expected)) await agrees(t, one, got[one]!, value);
  });
}

test("isolated: the same numbers", async (t) => {
  const folder = fixture("paligemma", "pg2");
  const [here, away] = [await everything(folder), await everything(folder, true)];
  for (const [name, value] of Object.entries(here)) await agrees(t, name, away[name]!, value, 0);
});
