/** big_vision's npz files, with stacked layers and without a config. */
import { join } from "node:path";
import test from "ava";
import { load } from "../../lib/core/load.js";
import type { Tensor } from "../../lib/core/tensor.js";
import "../../lib/models/index.js";
import type { PaliGemmaMethods, PromptInputs } from "../../lib/models/paligemma/methods.js";
import { agrees, fixture, tensorsOf } from "./fixtures.js";

async function logitsOf(folder: string, name: string): Promise<Tensor> {
  // What shapes cannot tell is said besides.
  const given = name === "pg2" ? { sliding_window: 8 } : {};
  await using plain = await load<PaliGemmaMethods>(folder);
  const text_config = { ...(plain.config.text_config as object), ...given };
  const config = { text_config, image_token_index: 97 };
  await using model = await load<PaliGemmaMethods>(folder, { config });
  const inputs = await tensorsOf(fixture("paligemma", name, "inputs.safetensors"));
  const asked = Object.entries(inputs).filter(([one]) => !one.startsWith("prompt."));
  const { logits } = await model.call(
    "forward",
    Object.fromEntries(asked) as never as PromptInputs,
  );
  return logits;
}

for (const [name, expectedIn] of [
  ["pg1", fixture("paligemma", "pg1")],
  ["pg2", fixture("paligemma_npz", "pg2")],
] as const) {
  test(`${name}: the same logits as from safetensors`, async (t) => {
    const logits = await logitsOf(fixture("paligemma_npz", name), name);
    const expected = await tensorsOf(join(expectedIn, "expected.safetensors"));
    await agrees(t, "logits", logits, expected.logits!);
  });
}

test("the config is read off the shapes", async (t) => {
  await using model = await load(fixture("paligemma_npz", "pg2"));
  const { text_config, vision_config } = model.config as Record<string, Record<string, unknown>>;
  t.is(text_config!.model_type, "gemma2");
  t.is(text_config!.query_pre_attn_scalar, text_config!.head_dim);
  const { num_hidden_layers, num_attention_heads, patch_size } = vision_config!;
  t.deepEqual(
    { num_hidden_layers, num_attention_heads, patch_size },
    {
      num_hidden_layers: 2,
      num_attention_heads: 2,
      patch_size: 5,
    },
  );
});
