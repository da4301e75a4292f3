/** The networks of Imagen Video: parity with PyTorch modules, pictures among clips, bad input. */
import { join } from "node:path";
import test from "ava";
import { tensor, zeros } from "../../lib/core/create.js";
import { createModule, load } from "../../lib/core/load.js";
import type { Module } from "../../lib/core/module.js";
import { ops } from "../../lib/core/ops.js";
import type { Tensor } from "../../lib/core/tensor.js";
import {
  fromFrames,
  type ImagenVideoVariant,
  parseConfig,
  toFrames,
  VideoStage,
  variant,
} from "../../lib/models/imagen_video/index.js";
import { agrees, casesOf, fixture, numbers, temporary, tensorsOf } from "./fixtures.js";
import { describedBy } from "./names.js";

type Named = Record<string, Tensor>;

const inputsOf = async (name: string) =>
  (await tensorsOf(join(fixture("imagen_video", name), "inputs.safetensors"))) as Named;

async function predict(model: Module, inputs: Named): Promise<Tensor> {
  return ((await model.call("predict", inputs)) as unknown as Named).prediction!;
}

for (const { name, folder } of casesOf("imagen_video")) {
  test(`parity with PyTorch: ${name}`, async (t) => {
    await using model = await load(folder);
    const { taps, ...outputs } = await model.call("predict", await inputsOf(name), {
      taps: ["all"],
    });
    const got = { ...(outputs as Named), ...(taps as Named) };
    const expected = await tensorsOf(join(folder, "expected.safetensors"));
    t.deepEqual(Object.keys(got).sort(), Object.keys(expected).sort());
    for (const [one, value] of Object.entries(expected)) await agrees(t, one, got[one]!, value);
  });
}

/** Parameters of the reference stages, and the counts that they are to come near. */
const COUNTS: [name: ImagenVideoVariant, count: number, near: number][] = [
  ["base", 5_772_650_755, 5.79e9],
  ["tsr1", 1_680_161_571, 1.68e9],
  ["ssr1", 1_482_192_131, 1.48e9],
  ["ssr2", 1_113_983_747, 1.12e9],
  ["tsr2", 770_338_435, 0.77e9],
  ["tsr3", 622_551_555, 0.62e9],
  ["ssr3", 306_782_723, 0.31e9],
];
/** Half of the last digit of the counts that are to be met. */
const ROUNDED = 5e6;

for (const [name, count, near] of COUNTS) {
  test(`${name}: parameters on the meta device`, (t) => {
    const { elements } = describedBy(variant(name));
    t.is(elements, count);
    t.true(Math.abs(elements - near) < 0.01 * near + ROUNDED);
  });
}

test("a new network says nothing, and the layers between frames change nothing", async (t) => {
  const { z, logsnr } = await inputsOf("one_frame");
  const config = { model_type: "imagen_video_unet", dim: 8, norm_groups: 4, head_dim: 4 };
  const levels = { dim_mults: [1], blocks: [1], self_attention: [1], text_attention: [1] };
  await using model = await createModule({ ...config, ...levels, temporal: "both" });
  const prediction = await numbers(await predict(model, { z: z!, logsnr: logsnr! }));
  t.true(prediction.every((value) => value === 0));
});

test("frames of a picture do not see each other; those of a clip do", async (t) => {
  await using model = await load(fixture("imagen_video", "images"));
  const inputs = await inputsOf("images");
  const whole = await predict(model, inputs);
  const kept = ops.narrow(inputs.z!, 2, 0, 3);
  const other = ops.full_like(ops.narrow(inputs.z!, 2, 3, 1), 0.5);
  const changed = await predict(model, { ...inputs, z: ops.cat([kept, other], 2) });
  const seen = (video: Tensor, clip: number) => ops.narrow(ops.narrow(video, 0, clip, 1), 2, 0, 3);
  await agrees(t, "the picture's other frames", seen(changed, 1), seen(whole, 1), 0);
  const moved = ops.max(ops.abs(ops.sub(seen(changed, 0), seen(whole, 0))));
  t.true((await numbers(moved))[0]! > 1e-3);
  // A picture by itself is the frame of a picture among others.
  const alone = Object.fromEntries(
    Object.entries(inputs).map(([name, value]) => {
      const row = ops.narrow(value, 0, 1, 1);
      return [name, name === "z" ? ops.narrow(row, 2, 1, 1) : row];
    }),
  );
  const one = await predict(model, alone as Named);
  await agrees(t, "alone", one, ops.narrow(ops.narrow(whole, 0, 1, 1), 2, 1, 1));
});

test("what is hidden of the text has no effect, and no text at all is a condition", async (t) => {
  await using model = await load(fixture("imagen_video", "base"));
  const inputs = await inputsOf("base");
  const whole = await predict(model, inputs);
  const seen = ops.unsqueeze(ops.ne(inputs.text_mask!, 0), -1);
  const text = ops.where(seen, inputs.text!, ops.full_like(inputs.text!, 9));
  await agrees(t, "hidden tokens", await predict(model, { ...inputs, text }), whole, 0);
  const mask = ops.zeros_like(inputs.text_mask!);
  const hidden = await predict(model, { ...inputs, text_mask: mask });
  const { z, logsnr } = inputs;
  await agrees(t, "all hidden", hidden, await predict(model, { z: z!, logsnr: logsnr! }));
});

test("what is saved says the same", async (t) => {
  const folder = temporary(t);
  await using stage = await VideoStage.load(fixture("imagen_video", "efficient"));
  await stage.save(folder);
  await using again = await VideoStage.load(folder);
  t.deepEqual(again.config, stage.config);
  const inputs = await inputsOf("efficient");
  const said = async ({ module }: VideoStage) => {
    const { z, logsnr, ...others } = inputs;
    return (await module.call("predict", { z: z!, logsnr: logsnr!, ...others })).prediction;
  };
  await agrees(t, "the same", await said(again), await said(stage), 0);
});

test("frames come back as they were, and numbers beyond the range are clipped", async (t) => {
  const values = Uint8Array.from({ length: 2 * 3 * 2 * 4 * 3 }, (_, place) => (place * 37) % 256);
  const frames = tensor(values, { shape: [2, 3, 2, 4, 3] });
  const video = fromFrames(frames);
  t.deepEqual(video.shape, [2, 3, 3, 2, 4]);
  t.deepEqual([...(await numbers(toFrames(video)))], [...values]);
  const wide = tensor(Float32Array.of(-7, 0, 7), { shape: [1, 3, 1, 1, 1] });
  t.deepEqual([...(await numbers(toFrames(wide)))], [0, 128, 255]);
  t.throws(() => fromFrames(video), { code: "BAD_INPUT", message: /uint8/ });
  t.throws(() => toFrames(frames), { code: "BAD_INPUT", message: /float32/ });
});

test("bad input is refused with its code", async (t) => {
  await using model = await load(fixture("imagen_video", "efficient"));
  const inputs = await inputsOf("efficient");
  const refused = (changes: Named, code: string, message: RegExp) =>
    t.throwsAsync(async () => await predict(model, { ...inputs, ...changes }), { code, message });
  const odd = { z: zeros([2, 3, 4, 6, 12]), low_res: zeros([2, 3, 4, 6, 12]) };
  await refused(odd, "SHAPE", /multiple of 4 for the height of z but received 6/);
  await refused({ low_res: zeros([2, 3, 4, 8, 8]) }, "SHAPE", /low_res/);
  await refused({ z: zeros([2, 4, 4, 8, 12]) }, "SHAPE", /z/);
  const { text: _, ...untold } = inputs;
  const mask = zeros([2, 5], { dtype: "int64" });
  await t.throwsAsync(async () => await predict(model, { ...untold, text_mask: mask }), {
    code: "BAD_INPUT",
    message: /text beside text_mask/,
  });
  const { low_res: __, ...small } = inputs;
  await t.throwsAsync(async () => await predict(model, small), { message: /low_res/ });
  await t.throwsAsync(async () => await VideoStage.load(fixture("t5", "relu")), {
    code: "BAD_INPUT",
    message: /imagen_video_unet/,
  });
});

test("configs that no network can be made of are refused by the name of the field", async (t) => {
  const cases: [object, RegExp][] = [
    [{ kind: "flat" }, /kind/],
    [{ dim: 100 }, /head_dim|norm_groups/],
    [{ dim_mults: [] }, /dim_mults/],
    [{ blocks: [1] }, /4 entries, one for each of dim_mults/],
    [{ self_attention: [0, 1, 2, 1] }, /from 0 to 1 for self_attention/],
    [{ temporal: "causal" }, /temporal/],
    [{ frame_buckets: 6 }, /frame_buckets/],
    [{ frame_distance: 4 }, /frame_distance/],
    [{ norm_groups: 48 }, /norm_groups/],
  ];
  for (const [fields, message] of cases) {
    const config = { model_type: "imagen_video_unet", ...fields };
    await t.throwsAsync(async () => await createModule(config), { code: "BAD_CONFIG", message });
  }
  t.throws(() => variant("ssr4" as never), { code: "BAD_CONFIG", message: /ssr3/ });
  t.is(parseConfig({}).dim, 128);
});
