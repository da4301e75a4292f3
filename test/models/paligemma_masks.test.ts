/** PaliGemma's mask codec: parity with the published formulas, its files, what is refused. */
import { copyFileSync, existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import { readTensors, writeTensors } from "../../lib/core/files.js";
import { load } from "../../lib/core/load.js";
import { defineSystem } from "../../lib/core/systems.js";
import type { Tensor } from "../../lib/core/tensor.js";
import { MaskCodec, type MaskCodecMethods } from "../../lib/models/paligemma/mask_codec.js";
import { maskSystem, parseMaskConfig } from "../../lib/models/paligemma/mask_config.js";
import { agrees, casesOf, fixture, numbers, temporary, tensorsOf } from "./fixtures.js";

defineSystem(maskSystem);

const cases = casesOf("paligemma_masks");
const npz = (name: string) => fixture("paligemma_masks", name, "vae-oid.npz");
const base = fixture("paligemma_masks", "base");

/** Rows of a tensor [N, ...] as plain numbers. */
async function rowsOf(tensor: Tensor): Promise<number[][]> {
  const all = [...(await numbers(tensor))];
  const length = all.length / tensor.shape[0]!;
  return Array.from({ length: tensor.shape[0]! }, (_, row) =>
    all.slice(row * length, (row + 1) * length),
  );
}

for (const { name, folder } of cases) {
  test(`parity with the published formulas: ${name}`, async (t) => {
    const expected = await tensorsOf(join(folder, "expected.safetensors"));
    const { mask_ids, masks } = await tensorsOf(join(folder, "inputs.safetensors"));
    await using codec = await MaskCodec.load(folder);
    const taps = { taps: ["all"] };
    const decoded = await codec.module.call("decode_masks", { mask_ids: mask_ids! }, taps);
    await agrees(t, "masks", decoded.masks, expected.masks!, 1e-5);
    const given = { ...decoded.taps };
    if (!codec.config.decoder_only) {
      const encoded = await codec.module.call("encode_masks", { masks: masks! }, taps);
      t.deepEqual(await rowsOf(encoded.mask_ids), await rowsOf(expected.mask_ids!));
      Object.assign(given, encoded.taps);
      const clipped = (await rowsOf(decoded.masks)).map((row) =>
        row.map((value) => Math.min(Math.max(value * 0.5 + 0.5, 0), 1)),
      );
      t.deepEqual(await codec.encode(clipped), await rowsOf(expected.round_trip!));
    }
    const names = Object.keys(expected).filter((one) => /^codes$|\./.test(one));
    t.deepEqual(Object.keys(given).sort(), names.sort());
    for (const one of names) await agrees(t, one, given[one]!, expected[one]!, 1e-5);
  });
}

test("lists of codes to maps of 64 x 64 and back, in any number", async (t) => {
  await using codec = await MaskCodec.load(npz("published"));
  const { mask_ids } = await tensorsOf(fixture("paligemma_masks", "published/inputs.safetensors"));
  const codes = await rowsOf(mask_ids!);
  t.deepEqual(await codec.decode([]), []);
  t.deepEqual(await codec.encode([]), []);
  // More than go through the model at once, in two orders.
  const many = Array.from({ length: 70 }, (_, i) => codes[i % 2]!);
  const reports: number[] = [];
  const maps = await codec.decode(many, { onProgress: ({ done }) => reports.push(done) });
  t.is(maps.length, 70);
  t.is(maps[69]!.length, 64 * 64);
  const expected = await tensorsOf(fixture("paligemma_masks", "published/expected.safetensors"));
  const [first, second] = await rowsOf(expected.masks!);
  for (const [i, map] of maps.entries()) {
    const want = i % 2 === 0 ? first! : second!;
    t.true(map.every((value, at) => Math.abs(value - want[at]!) < 1e-4));
  }
  t.is(reports.at(-1), 70);
  const shares = maps.map((map) => map.map((value) => (value > 0 ? 1 : 0)));
  const ids = await codec.encode(shares);
  t.deepEqual(
    ids,
    shares.map((_, i) => ids[i % 2]!),
  );
  t.notDeepEqual(ids[0], ids[1]);
  t.true(ids.flat().every((id) => Number.isInteger(id) && id >= 0 && id < 128));
});

test("the file may lie beside another model's config and weights", async (t) => {
  const folder = temporary(t);
  writeFileSync(join(folder, "config.json"), '{"model_type": "paligemma", "hidden_size": 2048}');
  copyFileSync(npz("published"), join(folder, "vae-oid.npz"));
  copyFileSync(fixture("owlvit", "base", "model.safetensors"), join(folder, "model.safetensors"));
  for (const path of [folder, join(folder, "vae-oid.npz")]) {
    await using codec = await MaskCodec.load(path);
    t.is(codec.config.embedding_dim, 6);
    t.is(codec.config.hidden_size, 10);
  }
  const wrong = MaskCodec.load(join(folder, "model.safetensors"));
  const message = /^expected the tensors of a mask codec in .*model\.safetensors but received /;
  await t.throwsAsync(wrong, { code: "BAD_CHECKPOINT", message });
  await t.throwsAsync(MaskCodec.load(join(folder, "none")), { code: "NOT_FOUND" });
});

test("the core's load reads sizes off the shapes; what is saved loads again", async (t) => {
  const folder = temporary(t);
  await using module = await load<MaskCodecMethods>(npz("published"));
  t.is(module.config.model_type, "paligemma_masks");
  await module.save(folder);
  t.true(existsSync(join(folder, "config.json")));
  await using again = await load<MaskCodecMethods>(folder);
  t.deepEqual(again.config, module.config);
  const { mask_ids } = await tensorsOf(fixture("paligemma_masks", "published/inputs.safetensors"));
  const one = await module.call("decode_masks", { mask_ids: mask_ids! });
  const other = await again.call("decode_masks", { mask_ids: mask_ids! });
  await agrees(t, "masks", other.masks, one.masks, 0);
});

test("without an encoder, masks are read but not written", async (t) => {
  await using codec = await MaskCodec.load(npz("decoder_only"));
  t.true(codec.config.decoder_only);
  t.deepEqual(Object.keys(codec.module.methods), ["decode_masks"]);
  t.is((await codec.decode([new Array(16).fill(5)])).length, 1);
  const message = /a codec with an encoder/;
  await t.throwsAsync(codec.encode([new Float32Array(4096)]), { code: "UNSUPPORTED", message });
});

test("an encoder that is there in part is told", async (t) => {
  const folder = temporary(t);
  const tensors = await readTensors(join(base, "model.safetensors"));
  const part = (left: (name: string) => boolean) =>
    writeTensors(
      join(folder, "model.safetensors"),
      Object.fromEntries(Object.entries(tensors).filter(([name]) => left(name))),
    );
  await part((name) => name !== "encoder.9.net.2.bias");
  const expected = { code: "BAD_CHECKPOINT", message: /1 missing: encoder\.9\.net\.2\.bias/ };
  await t.throwsAsync(MaskCodec.load(folder), expected);
  await part((name) => name !== "decoder.6.weight");
  await t.throwsAsync(MaskCodec.load(folder), { code: "BAD_CONFIG", message: /decoder_channels/ });
});

test("a codec can do without the encoder that a file has", async (t) => {
  await using codec = await MaskCodec.load(base, { config: { decoder_only: true } });
  t.false(codec.module.parameters.some(({ name }) => name.startsWith("encoder.")));
  await using whole = await MaskCodec.load(base);
  const codes = [Array.from({ length: 16 }, (_, i) => 7 * i)];
  t.deepEqual(await codec.decode(codes), await whole.decode(codes));
});

test("in bfloat16 masks stay float32 and close", async (t) => {
  await using codec = await MaskCodec.load(base, { dtype: "bfloat16" });
  await using exact = await MaskCodec.load(base);
  const codes = [Array.from({ length: 16 }, (_, i) => 3 * i + 1)];
  const [half] = await codec.decode(codes);
  const [full] = await exact.decode(codes);
  const same = half!.filter((value, at) => value > 0 === full![at]! > 0).length;
  t.true(same > 0.97 * 4096, `${same}`);
  t.is((await codec.encode([half!.map((value) => (value > 0 ? 1 : 0))]))[0]!.length, 16);
});

test("random weights, isolated: the same masks", async (t) => {
  const config = { embedding_dim: 4, hidden_size: 8, decoder_channels: [8, 8, 4, 4] };
  await using here = await MaskCodec.random(config, { seed: 3 });
  await using away = await MaskCodec.random(config, { seed: 3, isolate: true });
  const codes = [new Array(16).fill(0), Array.from({ length: 16 }, (_, i) => i)];
  t.deepEqual(await away.decode(codes), await here.decode(codes));
});

test("cancelled before it begins", async (t) => {
  await using codec = await MaskCodec.load(base);
  const control = { signal: AbortSignal.abort() };
  await t.throwsAsync(codec.decode([new Array(16).fill(0)], control), { code: "CANCELLED" });
});

for (const [name, codes, message] of [
  ["fifteen codes", [new Array(15).fill(0)], /16 numbers for codes\[0\]/],
  ["a code beyond the book", [new Array(16).fill(128)], /integers from 0 to 127 for codes .* 128/],
  ["a code below it", [new Array(16).fill(-1)], /integers from 0 to 127/],
  ["half a code", [new Array(16).fill(0.5)], /integers from 0 to 127/],
  ["no list", 5, /a list of lists for codes/],
] as const) {
  test(`refused: ${name}`, async (t) => {
    await using codec = await MaskCodec.load(base);
    const wrong = codec.decode(codes as unknown as number[][]);
    await t.throwsAsync(wrong, { code: "BAD_INPUT", message });
  });
}

test("refused: maps of another size, of numbers beyond 0 to 1, of none", async (t) => {
  await using codec = await MaskCodec.load(base);
  for (const [map, message] of [
    [new Float32Array(4095), /4096 numbers for masks\[0\]/],
    [new Float32Array(4096).fill(255), /numbers from 0 to 1 for masks/],
    [new Float32Array(4096).fill(Number.NaN), /numbers from 0 to 1 for masks/],
  ] as const) {
    await t.throwsAsync(codec.encode([map]), { code: "BAD_INPUT", message });
  }
});

test("configs: defaults, and fields that are wrong", (t) => {
  t.is(parseMaskConfig({}).embedding_dim, 512);
  t.deepEqual(parseMaskConfig({ codes: 64, other: 1 }).decoder_channels, [128, 64, 32, 16]);
  for (const [field, value] of [
    ["codes", 0],
    ["decoder_channels", [1, 2, 3]],
    ["encoder_kernels", [4, 4, 4, 0.5]],
    ["decoder_only", "yes"],
    ["model_type", "paligemma"],
  ] as const) {
    const message = new RegExp(`for ${field} but received`);
    t.throws(() => parseMaskConfig({ [field]: value }), { code: "BAD_CONFIG", message });
  }
});
