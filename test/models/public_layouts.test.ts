/** Checkpoints of public code bases, read from files through the native core. */
import { join } from "node:path";
import test from "ava";
import { openCheckpoint } from "../../lib/core/checkpoint.js";
import { load } from "../../lib/core/load.js";
import "../../lib/models/index.js";
import { agrees, casesOf, fixture, temporary, tensorsOf } from "./fixtures.js";

for (const { name, folder } of casesOf("vit22b_layouts")) {
  test(`${name}: the same numbers as the oracle`, async (t) => {
    await using model = await load(folder);
    const { pixel_values } = await tensorsOf(join(folder, "inputs.safetensors"));
    const expected = await tensorsOf(join(folder, "expected.safetensors"));
    using tokens = await model.call("encode", { pixel_values });
    using scores = await model.call("classify", { pixel_values });
    const [hidden, logits] = [tokens.last_hidden_state!, scores.logits!];
    await agrees(t, "last_hidden_state", hidden, expected.last_hidden_state!);
    await agrees(t, "logits", logits, expected.logits!);
  });
}

test("an npz is read by its own path, and its config by its shapes", async (t) => {
  const file = fixture("vit22b_layouts", "augreg", "model.npz");
  await using model = await load(file);
  const { class_token, pooling, num_labels, num_attention_heads } = model.config;
  t.deepEqual(
    { class_token, pooling, num_labels, num_attention_heads },
    { class_token: true, pooling: "token", num_labels: 5, num_attention_heads: 3 },
  );
  const { tensors, files } = openCheckpoint(file);
  t.deepEqual(files, [file]);
  t.true(tensors.some(({ name }) => name === "Transformer/posembed_input/pos_embedding"));
});

test("what was imported is saved under our own names", async (t) => {
  const folder = temporary(t);
  await using model = await load(fixture("vit22b_layouts", "big_vision"));
  await model.save(folder);
  await using again = await load(folder);
  t.deepEqual(again.config, model.config);
  const names = openCheckpoint(join(folder, "model.safetensors")).tensors.map(({ name }) => name);
  t.deepEqual(names.toSorted(), model.parameters.map(({ name }) => name).toSorted());
});
