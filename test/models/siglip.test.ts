/** SigLIP and SigLIP 2: parity with transformers, checkpoints, bad input. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import { tensor, zeros } from "../../lib/core/create.js";
import { createModule, load } from "../../lib/core/load.js";
import type { Module } from "../../lib/core/module.js";
import { ops } from "../../lib/core/ops.js";
import type { Tensor } from "../../lib/core/tensor.js";
import "../../lib/models/index.js";
import { openCheckpoint } from "../../lib/core/checkpoint.js";
import { agrees, casesOf, fixture, temporary, tensorsOf } from "./fixtures.js";

type Named = Record<string, Tensor>;

const pick = (tensors: Named, names: readonly string[]): Named =>
  Object.fromEntries(names.flatMap((name) => (tensors[name] ? [[name, tensors[name]]] : [])));
const PICTURES = ["pixel_values", "pixel_attention_mask", "spatial_shapes"];
const TEXTS = ["input_ids", "attention_mask"];

/** What a tower says, by the names of the expected values. */
async function tower(model: Module, method: string, part: string, inputs: Named, args: object) {
  const { taps, ...outputs } = await model.call(method, inputs, {
    args: args as Record<string, unknown>,
    taps: ["all"],
  });
  const named = pick(outputs as Named, ["last_hidden_state", "pooler_output"]);
  const prefixed = Object.entries(named).map(([name, value]) => [`${part}.${name}`, value]);
  return { ...Object.fromEntries(prefixed), ...taps } as Named;
}

async function everything(folder: string, isolate = false): Promise<Named> {
  await using model = await load(folder, { isolate });
  const args = JSON.parse(readFileSync(join(folder, "case.json"), "utf8"));
  const inputs = (await tensorsOf(join(folder, "inputs.safetensors"))) as Named;
  const [pictures, texts] = [pick(inputs, PICTURES), pick(inputs, TEXTS)];
  const mask = inputs.pixel_attention_mask;
  const shown = (results: Named): Named =>
    Object.fromEntries(
      Object.entries(results).map(([name, value]) => [
        name,
        mask && /^vision|image.last/.test(name) ? ops.mul(value, ops.unsqueeze(mask, -1)) : value,
      ]),
    );
  if ("encode" in model.methods) {
    const part = pictures.pixel_values ? "image" : "text";
    return shown(await tower(model, "encode", part, { ...pictures, ...texts }, args));
  }
  const images = await tower(model, "encode_image", "image", pictures, args);
  const words = await tower(model, "encode_text", "text", texts, {});
  const { taps: _, ...both } = await model.call("similarity", inputs, { args });
  return { ...shown({ ...images, ...words }), ...(both as Named) };
}

for (const { name, folder } of casesOf("siglip")) {
  test(`parity with transformers: ${name}`, async (t) => {
    const got = await everything(folder);
    const expected = await tensorsOf(join(folder, "expected.safetensors"));
    t.deepEqual(Object.keys(got).sort(), Object.keys(expected).sort());
    for (const [one, value] of Object.entries(expected)) await agrees(t, one, got[one]!, value);
  });
}

test("isolated: the same numbers", async (t) => {
  const folder = fixture("siglip", "naflex");
  const [here, away] = [await everything(folder), await everything(folder, true)];
  for (const [name, value] of Object.entries(here)) await agrees(t, name, away[name]!, value, 0);
});

test("embeddings serve in place of what they were made of", async (t) => {
  const folder = fixture("siglip", "base");
  await using model = await load(folder);
  const inputs = (await tensorsOf(join(folder, "inputs.safetensors"))) as Named;
  const whole = (await model.call("similarity", inputs)) as unknown as Named;
  const { image_embeds } = (await model.call(
    "encode_image",
    pick(inputs, PICTURES),
  )) as unknown as Named;
  const again = (await model.call("similarity", {
    ...pick(inputs, TEXTS),
    image_embeds,
  })) as unknown as Named;
  await agrees(t, "logits", again.logits_per_image!, whole.logits_per_image!, 1e-6);
});

test("a tower can be taken out of a file of both", async (t) => {
  const folder = fixture("siglip", "base");
  await using both = await load(folder);
  const { vision_config } = both.config as { vision_config: object };
  const config = { ...vision_config, model_type: "siglip_vision_model" };
  await using alone = await load(folder, { config });
  const { pixel_values } = (await tensorsOf(join(folder, "inputs.safetensors"))) as Named;
  const one = (await alone.call("encode", { pixel_values })) as unknown as Named;
  const two = (await both.call("encode_image", { pixel_values })) as unknown as Named;
  await agrees(t, "pooler_output", one.pooler_output!, two.pooler_output!, 0);
  const target = temporary(t);
  await alone.save(target);
  const names = openCheckpoint(join(target, "model.safetensors")).tensors.map(({ name }) => name);
  t.true(names.includes("embeddings.position_embedding.weight"), "as transformers 5 names it");
});

test("bad input is refused with its code", async (t) => {
  await using model = await load(fixture("siglip", "base"));
  await using flexible = await load(fixture("siglip", "naflex"));
  const refused = (work: () => PromiseLike<unknown>, code: string, message: RegExp) =>
    t.throwsAsync(async () => await work(), { code, message });
  const pixels = (height: number, width: number) => zeros([1, 3, height, width]);
  const ids = (...values: bigint[]) =>
    tensor(values, { shape: [1, values.length], dtype: "int64" });
  const look = (value: Tensor) => model.call("encode_image", { pixel_values: value });
  await refused(() => look(pixels(16, 16)), "SHAPE", /3 by 3 patches .* received 4 by 4/);
  await refused(() => look(pixels(3, 3)), "SHAPE", /at least one picture/);
  await refused(() => look(zeros([1, 4, 12, 12])), "SHAPE", /pixel_values/);
  const read = (value: Tensor) => model.call("encode_text", { input_ids: value });
  await refused(() => read(ids(53n)), "BAD_INPUT", /0 to 52/);
  await refused(() => read(ids(-1n)), "BAD_INPUT", /0 to 52/);
  await refused(() => read(ids(...new Array<bigint>(11).fill(1n))), "SHAPE", /1 to 10 tokens/);
  await refused(
    () => model.call("encode_text", { input_ids: ids(1n), attention_mask: ids(0n) }),
    "BAD_INPUT",
    /a token to see/,
  );
  await refused(() => model.call("similarity", {}), "BAD_INPUT", /received neither/);
  const patches = (rows: bigint, columns: bigint, seen = 1n) =>
    flexible.call("encode_image", {
      pixel_values: zeros([1, 6, 12]),
      pixel_attention_mask: ids(...new Array<bigint>(6).fill(seen)),
      spatial_shapes: ids(rows, columns),
    });
  await refused(() => patches(0n, 3n), "BAD_INPUT", /spatial_shapes/);
  await refused(() => patches(3n, 3n), "BAD_INPUT", /at most 6 patches .* 3 by 3/);
  await refused(() => patches(1n << 40n, 1n << 40n), "BAD_INPUT", /spatial_shapes/);
  await refused(() => patches(2n, 3n, 0n), "BAD_INPUT", /a patch to see/);
  await refused(
    () => flexible.call("similarity", { pixel_values: zeros([1, 6, 12]), input_ids: ids(1n) }),
    "BAD_INPUT",
    /pixel_attention_mask beside pixel_values/,
  );
});

test("configs that no model can be made of are refused by the name of the field", async (t) => {
  const cases: [object, RegExp][] = [
    [{ model_type: "siglip", text_config: { projection_size: 5 } }, /projection_size/],
    [{ model_type: "siglip", vision_config: { vision_use_head: false } }, /vision_use_head/],
    [{ model_type: "siglip_vision_model", hidden_size: 13 }, /hidden_size/],
    [{ model_type: "siglip_vision_model", patch_size: 999 }, /image_size/],
    [{ model_type: "siglip2_vision_model", num_patches: 10 }, /square number for num_patches/],
    [{ model_type: "siglip_text_model", vocab_size: 0 }, /vocab_size/],
    [{ model_type: "siglip_text_model", hidden_act: "swish" }, /hidden_act/],
  ];
  for (const [config, message] of cases) {
    await t.throwsAsync(async () => await createModule(config), { code: "BAD_CONFIG", message });
  }
});
