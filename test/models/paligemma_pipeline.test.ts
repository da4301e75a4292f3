/** PaliGemma as users call it: pictures and prompts, streams, places and masks, bad input. */
import { rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import type { GenerateOptions } from "../../lib/generation/options.js";
import { PaliGemma, pasteMask, variant } from "../../lib/models/paligemma/index.js";
import { readObjects } from "../../lib/models/paligemma/objects.js";
import { SMALL, small } from "../text/gemma.js";
import { agrees, fixture, temporary } from "./fixtures.js";
import { CONFIG, paligemmaFolder, picture } from "./paligemma_models.js";

const DRAWN: GenerateOptions = { temperature: 1.3, seed: 2, maxNewTokens: 12, stopTokens: [] };
const dark = picture(40, 30, 20);
const light = picture(20, 50, 230);

test("captions, answers and the like ask what models were trained to be asked", async (t) => {
  await using model = await PaliGemma.load(await paligemmaFolder(t));
  const asked = [
    [model.caption(dark, DRAWN), "caption en"],
    [model.caption(dark, { ...DRAWN, lang: "de" }), "caption de"],
    [model.answer(dark, "what is this?", DRAWN), "answer en what is this?"],
    [model.ocr(dark, DRAWN), "ocr"],
    [model.detect(dark, ["cat", "dog"], DRAWN), "detect cat ; dog"],
  ] as const;
  for (const [job, prompt] of asked) {
    const { tokenIds } = await job;
    const free = await model.generate({ images: dark, prompt }, DRAWN);
    t.deepEqual(tokenIds, free.tokenIds, prompt);
  }
  const ids = [2, ...small.encode("caption en", { specialTokens: false }), SMALL.newline];
  const byIds = await model.generate({ images: dark, prompt: ids }, DRAWN);
  t.deepEqual(byIds.tokenIds, (await model.caption(dark, DRAWN)).tokenIds);
});

test("a text streams; its deltas come to the whole", async (t) => {
  await using model = await PaliGemma.load(await paligemmaFolder(t));
  const job = model.answer(dark, "why?", { ...DRAWN, maxNewTokens: 20 });
  const phases = new Set<string>();
  job.onProgress(({ phase }) => phases.add(phase));
  let text = "";
  let last: string | undefined;
  for await (const { textDelta, finishReason } of job) {
    text += textDelta;
    last = finishReason;
  }
  const whole = await job;
  t.is(text, whole.text);
  t.is(last, whole.finishReason);
  t.true(phases.has("layers") && phases.has("decode"));
});

test("batches of unequal prompts and pictures: each as alone", async (t) => {
  await using model = await PaliGemma.load(await paligemmaFolder(t));
  const inputs = [
    { images: dark, prompt: "caption en" },
    { images: [dark, light], prompt: "answer en what differs between these two pictures?" },
    { prompt: "answer en nothing to see" },
  ];
  const together = await model.generate(inputs, DRAWN);
  t.is(together.length, 3);
  for (const [place, input] of inputs.entries()) {
    const alone = await model.generate(input, DRAWN);
    t.deepEqual(together[place]!.tokenIds, alone.tokenIds, input.prompt);
  }
  const other = await model.generate({ images: light, prompt: "caption en" }, DRAWN);
  t.notDeepEqual(other.logprobs, together[0]!.logprobs, "pictures matter");
});

test("sixteen frames, and pictures that were looked at before", async (t) => {
  await using model = await PaliGemma.load(await paligemmaFolder(t));
  const frames = Array.from({ length: 16 }, (_, frame) => picture(30, 30, frame * 15));
  const prompt = "caption en";
  const direct = await model.generate({ images: frames, prompt }, DRAWN);
  const features = await model.encodeImages(frames);
  t.deepEqual(features[0]!.tensors.image_hidden_states.shape, [1, 4, 32]);
  await agrees(
    t,
    "the mean of the vectors",
    features[3]!.tensors.image_embeds,
    features[3]!.tensors.image_hidden_states.mean(1),
  );
  const known = await model.generate({ images: features, prompt }, DRAWN);
  t.deepEqual(known.tokenIds, direct.tokenIds);
  for (const one of features) one.dispose();
});

test("places become boxes, and codes masks", async (t) => {
  await using model = await PaliGemma.load(await paligemmaFolder(t));
  const size = { width: dark.width, height: dark.height };
  // Of places and codes alone something is found, whatever the weights.
  const places = Array.from({ length: 64 }, (_, bin) => SMALL.firstLoc + bin * 16);
  const options = { ...DRAWN, maxNewTokens: 64, allowedTokens: places, seed: 8 };
  const detected = await model.detect(dark, "cat", options);
  const { tokenIds, logprobs, objects, invalid } = detected;
  t.true(objects.length > 0 && objects.length + invalid.length === 16);
  const read = readObjects(tokenIds, { tokenizer: small, layout: SMALL, size, logprobs });
  t.deepEqual(objects, read.objects);
  for (const { box, score } of objects) {
    t.true(box[0] < box[2] && box[1] < box[3] && box[2] <= 40 && box[3] <= 30);
    t.true(score > 0 && score < 1);
  }

  const codes = Array.from({ length: 16 }, (_, place) => SMALL.firstSeg + place * 7);
  const sequence = [0, 0, 512, 1000].map((bin) => SMALL.firstLoc + bin).concat(codes);
  const text = { tokenIds: sequence, logprobs: sequence.map(() => -0.1) };
  const { objects: found } = await model.locate(dark, text);
  const [{ box, codes: kept, mask } = { box: undefined }] = found;
  t.deepEqual(
    kept,
    codes.map((id) => id - SMALL.firstSeg),
  );
  t.is(mask!.mask.data.length, 40 * 30);
  using codec = await (await import("../../lib/models/paligemma/mask_codec.js")).MaskCodec.load(
    fixture("paligemma_masks", "published", "vae-oid.npz"),
  );
  const [map] = await codec.decode([kept!]);
  const pasted = await pasteMask(map!, box!, size);
  t.deepEqual(mask!.mask.data, pasted.mask.data);
});

test("scores are those of generating, and rank answers", async (t) => {
  await using model = await PaliGemma.load(await paligemmaFolder(t));
  const input = { images: dark, prompt: "answer en what?" };
  const { tokenIds, logprobs } = await model.generate(input, { ...DRAWN, maxNewTokens: 6 });
  const scored = await model.score(input, tokenIds);
  for (const [place, one] of scored.logprobs.entries()) {
    t.true(Math.abs(one - logprobs[place]!) < 1e-4);
  }
  const named = await model.score(input, "a cat");
  t.is(named.tokenIds.at(-1), SMALL.eos, "with the end");
});

test("what is saved answers the same", async (t) => {
  const folder = await paligemmaFolder(t);
  await using model = await PaliGemma.load(folder);
  const copy = temporary(t);
  await model.save(copy);
  await using again = await PaliGemma.load(copy);
  t.deepEqual(again.processor, model.processor);
  const texts = [await model.caption(dark, DRAWN), await again.caption(dark, DRAWN)];
  t.is(texts[1]!.text, texts[0]!.text);
  await using small8 = await PaliGemma.load(folder, { weights: "int8", dtype: "bfloat16" });
  t.is((await small8.caption(dark, DRAWN)).tokenIds.length, 12);
});

test("switches of the decoder change what they say", async (t) => {
  const folder = await paligemmaFolder(t);
  const logprobs = async (options: object) => {
    await using model = await PaliGemma.load(folder, options);
    return (await model.score({ images: dark, prompt: "ocr" }, "a cat on a mat")).logprobs;
  };
  const base = await logprobs({});
  t.deepEqual(await logprobs({ slidingWindow: "hf" }), base, "short prompts fit the window");
  t.notDeepEqual(await logprobs({ finalSoftcap: 0.5 }), base);
  t.notDeepEqual(await logprobs({ attnSoftcap: 1e-5 }), base);
  t.deepEqual(await logprobs({ attnSoftcap: 50, finalSoftcap: 0 }), base);
});

test("bad input is refused with its code", async (t) => {
  const folder = await paligemmaFolder(t);
  await using model = await PaliGemma.load(folder);
  const refused = (work: () => PromiseLike<unknown>, message: RegExp, code = "BAD_INPUT") =>
    t.throwsAsync(async () => await work(), { code, message });
  await refused(
    () => model.answer(dark, "x ".repeat(300)),
    /at most 224 tokens, .* 4 of them for pictures/,
  );
  await refused(() => model.answer(dark, "what is <image>?"), /without <image>/);
  await refused(() => model.generate({ images: dark, prompt: [2, 5000] }, DRAWN), /ids from 0/);
  await refused(() => model.generate({ images: dark, prompt: [SMALL.image, 2] }, DRAWN), /4 times/);
  await refused(() => model.generate([], DRAWN), /at least one/);
  await refused(() => model.generate({ images: dark } as never, DRAWN), /a text or token ids/);
  await refused(() => model.caption("missing.jpg", DRAWN), /missing\.jpg/, "NOT_FOUND");
  await refused(() => model.caption(dark, { filter: "box" as never }), /bicubic, bilinear/);
  await refused(() => model.detect(dark, [], DRAWN), /at least one/);
  await refused(() => PaliGemma.load(fixture("gemma", "mqa")), /type paligemma/);
  rmSync(join(folder, "vae-oid.npz"));
  await using blind = await PaliGemma.load(folder);
  await refused(() => blind.segment(dark, "cat", DRAWN), /vae-oid\.npz/, "UNSUPPORTED");
  rmSync(join(folder, "model.safetensors"));
  await refused(() => PaliGemma.load(folder), /no weights/, "BAD_CHECKPOINT");
  await using bare = await PaliGemma.random(CONFIG);
  await refused(() => bare.caption(dark), /a tokenizer beside it/, "UNSUPPORTED");
  t.throws(() => variant("paligemma-4b-224" as never), { code: "BAD_CONFIG" });
});

test("cancelled while it looks, reads and writes", async (t) => {
  await using model = await PaliGemma.load(await paligemmaFolder(t));
  for (const phase of ["layers", "decode"]) {
    const job = model.caption(dark, { ...DRAWN, maxNewTokens: 200 });
    job.onProgress((progress) => {
      if (progress.phase === phase) job.cancel();
    });
    await t.throwsAsync(async () => await job, { code: "CANCELLED" }, phase);
  }
  const texts = await Promise.all(Array.from({ length: 8 }, () => model.caption(dark, DRAWN)));
  for (const { text } of texts) t.is(text, texts[0]!.text);
});

test.serial("pre-trained models warn of prompts that they do not know", async (t) => {
  const folder = await paligemmaFolder(t);
  const named = join(temporary(t), "tiny-pt-28");
  symlinkSync(folder, named);
  const warned: string[] = [];
  const listen = (warning: Error) => warned.push(warning.message);
  process.on("warning", listen);
  t.teardown(() => process.off("warning", listen));
  const ask = async (path: string, prompt: string) => {
    await using model = await PaliGemma.load(path);
    await model.generate({ images: dark, prompt }, { ...DRAWN, maxNewTokens: 1 });
    await new Promise(setImmediate);
  };
  await ask(folder, "What is this?");
  await ask(named, "caption en");
  t.deepEqual(warned, []);
  await ask(named, "What is this?");
  t.is(warned.length, 1);
  t.regex(warned[0]!, /only pre-trained/);
});
