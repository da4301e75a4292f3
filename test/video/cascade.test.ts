/** Cascades as users call them: texts, stages, previews, progress, known frames. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "ava";
import { ones, tensor, zeros } from "../../lib/core/create.js";
import { readTensors, writeTensors } from "../../lib/core/files.js";
import { ops } from "../../lib/core/ops.js";
import type { Tensor } from "../../lib/core/tensor.js";
import {
  type CascadeProgress,
  type GeneratedVideo,
  type GenerateVideoOptions,
  VideoCascade,
} from "../../lib/video/index.js";
import { agrees, numbers, temporary } from "../models/fixtures.js";
import { CASCADE, writeCascade } from "./cascades.js";

const folder = mkdtempSync(join(tmpdir(), "torchsight-"));
test.before(() => writeCascade(folder));
test.after.always(() => rmSync(folder, { recursive: true, force: true }));

const PROMPT = "a black cat";
const open = (options = {}) => VideoCascade.load(folder, options);

async function same(t: Parameters<typeof agrees>[0], a: GeneratedVideo, b: GeneratedVideo) {
  await agrees(t, "video", a.video, b.video, 0);
}

async function far(a: Tensor, b: Tensor): Promise<number> {
  return (await numbers(ops.max(ops.abs(ops.sub(a, b)))))[0]!;
}

test("a sentence becomes a video, the same for the same seed", async (t) => {
  await using cascade = await open();
  using video = await cascade.generate({ prompt: PROMPT, seed: 3 });
  t.deepEqual(video.video.shape, [1, 3, 4, 16, 16]);
  t.like(video, { samples: 1, length: 4, height: 16, width: 16, fps: 4 });
  const names = video.stages.map(({ name, steps }) => [name, steps]);
  t.deepEqual(names, [
    ["base", 4],
    ["tsr1", 3],
    ["ssr1", 3],
    ["ssr2", 3],
  ]);
  t.true(video.stages.every(({ seconds }) => seconds > 0));
  t.false(video.facts.random);
  t.true((await numbers(video.video)).every((value) => Math.abs(value) <= 1));
  using again = await cascade.generate({ prompt: PROMPT, seed: 3 });
  await same(t, again, video);
  using other = await cascade.generate({ prompt: PROMPT, seed: 4 });
  t.true((await far(other.video, video.video)) > 0.1);
  using text = await cascade.generate({ prompt: "two dogs", seed: 3 });
  t.true((await far(text.video, video.video)) > 1e-3);
});

test("saved embeddings give what their prompt gives", async (t) => {
  await using cascade = await open();
  const file = join(temporary(t), "text.safetensors");
  {
    using text = await cascade.encodeText(PROMPT);
    await writeTensors(file, { features: text.features, mask: text.mask });
  }
  using read = await readTensors(file);
  const prompt = { features: read.features!, mask: read.mask! };
  using embedded = await cascade.generate({ prompt, seed: 1, stages: 2 });
  using told = await cascade.generate({ prompt: PROMPT, seed: 1, stages: 2 });
  await same(t, embedded, told);
});

test("a run that goes on at a stage ends where the whole ends", async (t) => {
  await using cascade = await open();
  const options = { prompt: PROMPT, negativePrompt: "a bird", seed: 5 };
  using whole = await cascade.generate(options);
  for (const [stages, stage] of [
    [1, "tsr1"],
    [2, "ssr1"],
    [3, "ssr2"],
  ] as const) {
    using first = await cascade.generate({ ...options, stages });
    t.is(first.stages.length, stages);
    using rest = await cascade.generate({ ...options, startAt: { stage, video: first } });
    t.is(rest.stages.length, 4 - stages);
    t.is(rest.fps, 4);
    await same(t, rest, whole);
  }
});

test("several prompts, each with a seed: as if each were alone", async (t) => {
  await using cascade = await open();
  const prompt = [PROMPT, "two dogs", ""];
  using all = await cascade.generate({ prompt, seed: [8, 9, 10] });
  using counted = await cascade.generate({ prompt, seed: 8 });
  await same(t, counted, all);
  for (const [row, text] of prompt.entries()) {
    using one = await cascade.generate({ prompt: text, seed: 8 + row });
    t.true((await far(one.video, ops.narrow(all.video, 0, row, 1))) < 1e-4, text);
  }
  using repeated = await cascade.generate({ prompt: PROMPT, seed: [8, 2], stages: 1 });
  t.is(repeated.samples, 2);
});

test("guidance leads from the empty text or from a negative prompt, by stage", async (t) => {
  await using cascade = await open();
  const made = (more: GenerateVideoOptions) =>
    cascade.generate({ prompt: PROMPT, seed: 2, stages: 2, ...more });
  using usual = await made({});
  using told = await made({ guidance: { base: 2, tsr1: 1 } });
  await same(t, told, usual);
  using empty = await made({ negativePrompt: "" });
  t.true((await far(empty.video, usual.video)) < 1e-4);
  for (const more of [
    { negativePrompt: "a bird" },
    { guidance: { tsr1: 4 } },
    { guidance: 0 },
    { guidance: { base: { weight: 2, low: 0 } } },
    { settings: { tsr1: { augmentationSnr: 0.5 } } },
    { settings: { base: { sampler: { kind: "ddim" } } } },
    { steps: { base: 2 } },
  ] as GenerateVideoOptions[]) {
    using other = await made(more);
    t.true((await far(other.video, usual.video)) > 1e-4, JSON.stringify(more));
  }
});

test("progress grows by cost to the end, previews come from each stage", async (t) => {
  await using cascade = await open();
  const told: CascadeProgress[] = [];
  const job = cascade.generate({ prompt: PROMPT, previews: { every: 2, size: 8 } });
  job.onProgress((progress) => told.push(progress));
  const seen: [stage: string, step: number, steps: number, shape: string][] = [];
  for await (using preview of job) {
    const { stage, step, steps, frames } = preview;
    t.is(frames.dtype, "uint8");
    seen.push([stage, step, steps, frames.shape.join()]);
  }
  (await job).dispose();
  t.deepEqual(seen, [
    ["base", 2, 4, "1,2,4,4,3"],
    ["base", 4, 4, "1,2,4,4,3"],
    ["tsr1", 2, 3, "1,4,4,4,3"],
    ["tsr1", 3, 3, "1,4,4,4,3"],
    ["ssr1", 2, 3, "1,4,8,8,3"],
    ["ssr1", 3, 3, "1,4,8,8,3"],
    ["ssr2", 2, 3, "1,4,8,8,3"],
    ["ssr2", 3, 3, "1,4,8,8,3"],
  ]);
  for (const [at, { done, place, total, stages }] of told.entries()) {
    t.deepEqual([total, stages], [1, 4]);
    if (at === 0) continue;
    t.true(done >= told[at - 1]!.done && place >= told[at - 1]!.place);
  }
  t.like(told.at(-1), { stage: "ssr2", step: 3, steps: 3, eta: 0 });
  t.true(Math.abs(told.at(-1)!.done - 1) < 1e-12);
});

for (const stage of ["base", "tsr1", "ssr1", "ssr2"]) {
  test(`a cancel in ${stage} ends the job there`, async (t) => {
    await using cascade = await open();
    const abort = new AbortController();
    const options = { prompt: PROMPT, steps: 200, signal: abort.signal, previews: false } as const;
    const job = cascade.generate({ ...options, steps: { [stage]: 5000 } });
    const places: string[] = [];
    job.onProgress((progress) => {
      places.push(progress.stage);
      if (progress.stage === stage && progress.step > 0) abort.abort("enough");
    });
    await t.throwsAsync(async () => await job, { code: "CANCELLED" });
    t.is(places.at(-1), stage);
  });
}

test("one frame is a picture, as a frame of a batch of pictures", async (t) => {
  await using cascade = await open();
  using picture = await cascade.generate({ prompt: PROMPT, frames: 1, seed: 6 });
  t.deepEqual(picture.video.shape, [1, 3, 1, 16, 16]);
  const ran = picture.stages.map(({ name }) => name);
  t.deepEqual(ran, ["base", "ssr1", "ssr2"]);
  using small = await cascade.generate({ prompt: PROMPT, frames: 1, seed: 6, stages: 3 });
  using large = await cascade.upscale(small, { prompt: PROMPT, stage: "ssr2", seed: 6 });
  await same(t, large, picture);
});

test("longer videos than the networks were trained on", async (t) => {
  await using cascade = await open();
  const told: string[] = [];
  const listen = ({ message }: Error) => told.push(message);
  process.on("warning", listen);
  using video = await cascade.generate({ prompt: "", frames: 6, stages: 2 });
  process.off("warning", listen);
  t.true(told.includes("stage base makes 3 frames, and was trained on 2"));
  t.is(video.length, 6);
  await t.throwsAsync(async () => await cascade.generate({ prompt: "", frames: 3 }), {
    code: "BAD_INPUT",
    message: /1, or a multiple of 2, for frames/,
  });
});

test("a user's video of any length is enlarged, and of any size where padded", async (t) => {
  await using cascade = await open();
  const values = Uint8Array.from({ length: 3 * 6 * 10 * 3 }, (_, at) => (at * 31) % 256);
  const frames = tensor(values, { shape: [1, 3, 6, 10, 3] });
  using large = await cascade.upscale(frames, { stage: "ssr1", fps: 5, prompt: "" });
  t.deepEqual(large.video.shape, [1, 3, 3, 24, 40]);
  t.is(large.fps, 5);
  using longer = await cascade.upscale(frames, { fps: 5, stages: 2 });
  t.like(longer, { length: 6, fps: 10, height: 6, width: 10 });
  const odd = zeros([1, 3, 2, 5, 7]);
  await t.throwsAsync(async () => await cascade.upscale(odd), {
    code: "SHAPE",
    message: /multiple of 2 for the height of stage tsr1 but received 5/,
  });
  using padded = await cascade.upscale(odd, { pad: true });
  t.deepEqual(padded.video.shape, [1, 3, 4, 20, 28]);
});

test("known frames and holes stay as they are", async (t) => {
  await using cascade = await open();
  const frame = ops.full_like(zeros([1, 3, 1, 16, 16]), 0.25);
  const options = { prompt: PROMPT, seed: 1 };
  using led = await cascade.generate({ ...options, known: { video: frame, frames: [2] } });
  await agrees(t, "frame", ops.narrow(led.video, 2, 2, 1), frame);
  using free = await cascade.generate(options);
  t.true((await far(led.video, free.video)) > 1e-3);
  // The left half of all frames, the right one made.
  const mask = ops.cat([ones([16, 8], { dtype: "bool" }), zeros([16, 8], { dtype: "bool" })], 1);
  using filled = await cascade.generate({ ...options, known: { video: free, mask } });
  const left = (video: Tensor) => ops.narrow(video, 4, 0, 8);
  await agrees(t, "left", left(filled.video), left(free.video));
  const right = ops.narrow(filled.video, 4, 8, 8);
  t.true((await far(right, ops.narrow(free.video, 4, 8, 8))) > 1e-3);
  for (const [known, message] of [
    [{ video: frame }, /4 frames for known\.video/],
    [{ video: frame, frames: [4] }, /below 4, each once for known\.frames/],
    [{ video: free, mask: zeros([3, 3], { dtype: "bool" }) }, /known\.mask/],
    [{ video: free, method: "none" as never }, /known\.method/],
  ] as [NonNullable<GenerateVideoOptions["known"]>, RegExp][]) {
    const job = async () => await cascade.generate({ ...options, known });
    await t.throwsAsync(job, { code: "BAD_INPUT", message });
  }
});

test("a video to begin with is kept the nearer, the later the start", async (t) => {
  await using cascade = await open();
  const video = ops.full_like(zeros([1, 3, 2, 4, 4]), 0.5).as("float32");
  const off = async (skip: number) => {
    const start = { video, skip };
    using made = await cascade.generate({ stages: 1, start, steps: 20, guidance: 0 });
    return (await numbers(ops.mean(ops.abs(ops.sub(made.video, video)))))[0]!;
  };
  t.true((await off(19)) < (await off(2)));
});

test("stages that are kept give the same", async (t) => {
  await using kept = await open({ keep: true });
  await using cascade = await open();
  // Two at a time open what they need at a time.
  const both = [kept.generate({ prompt: PROMPT }), kept.generate({ prompt: PROMPT })];
  const [first, second] = (await Promise.all(both)) as [GeneratedVideo, GeneratedVideo];
  using fresh = await cascade.generate({ prompt: PROMPT });
  using third = await kept.generate({ prompt: PROMPT });
  for (const other of [first, second, third]) await same(t, other, fresh);
  first.dispose();
  second.dispose();
});

test("what is saved makes the same", async (t) => {
  const path = temporary(t);
  await using cascade = await open();
  await cascade.save(path);
  await using again = await VideoCascade.load(path);
  t.deepEqual(again.config, cascade.config);
  using one = await cascade.generate({ prompt: PROMPT });
  using two = await again.generate({ prompt: PROMPT });
  await same(t, two, one);
});

test("bad input is refused by stage and tensor", async (t) => {
  await using cascade = await open();
  const refused = async (options: object, code: string, message: RegExp) => {
    await t.throwsAsync(async () => await cascade.generate(options), { code, message });
  };
  await refused({}, "BAD_INPUT", /text of stage base/);
  await refused({ prompt: 3 }, "BAD_INPUT", /the prompt/);
  await refused({ prompt: [] }, "BAD_INPUT", /the prompt/);
  await refused({ negativePrompt: "a bird", guidance: 0 }, "BAD_INPUT", /the prompt/);
  const long = "a bird and ".repeat(9);
  await refused({ prompt: long }, "BAD_INPUT", /at most 12 tokens for the prompt/);
  await refused({ prompt: ["", "", ""], seed: [1, 2] }, "BAD_INPUT", /3, one for each, for seed/);
  await refused({ prompt: "", seed: -1 }, "BAD_INPUT", /seed/);
  await refused({ prompt: "", stages: 5 }, "BAD_INPUT", /at most 4 for stages/);
  await refused({ prompt: "", steps: { ssr3: 2 } }, "BAD_INPUT", /base, tsr1, ssr1, ssr2/);
  await refused({ prompt: "", steps: 0 }, "BAD_INPUT", /steps/);
  await refused({ prompt: "", guidance: -1 }, "BAD_INPUT", /guidance of stage base/);
  const wide = { features: zeros([1, 3, 8]) };
  await refused({ prompt: wide }, "SHAPE", /stage base: .*text/);
  const video = zeros([1, 3, 2, 4, 4]);
  await refused({ prompt: "", startAt: { stage: "base", video } }, "BAD_INPUT", /behind the base/);
  await refused({ startAt: { stage: "tsr1", video }, frames: 4 }, "BAD_INPUT", /beside startAt/);
  const flat = { stage: "tsr1", video: zeros([3, 2, 4, 4]) };
  await refused({ startAt: flat }, "BAD_INPUT", /startAt\.video/);
  const tile = { settings: { base: { tile: { size: 2 } } } };
  await refused({ prompt: "", ...tile }, "UNSUPPORTED", /tiles for stage base/);
  cascade.dispose();
  await refused({}, "DISPOSED", /cascade/);
});

test("weights that are no numbers are told by stage and name", async (t) => {
  const path = temporary(t);
  await writeCascade(path);
  const file = join(path, "ssr1", "model.safetensors");
  {
    using read = await readTensors(file);
    const bad = ops.full_like(read["out.conv.weight"]!, Number.NaN);
    await writeTensors(file, { ...read, "out.conv.weight": bad });
  }
  await using cascade = await VideoCascade.load(path);
  using fine = await cascade.generate({ prompt: PROMPT, stages: 2 });
  t.is(fine.length, 4);
  await t.throwsAsync(async () => await cascade.generate({ prompt: PROMPT }), {
    code: "DIVERGED",
    message: /step 1 of 3 of ssr1 .*out\.conv\.weight/,
  });
});

test("folders that are no cascade are refused by what is wrong", async (t) => {
  const path = temporary(t);
  const refused = async (code: string, message: RegExp) => {
    await t.throwsAsync(async () => await VideoCascade.load(path), { code, message });
  };
  await refused("NOT_FOUND", /cascade\.json/);
  await writeCascade(path);
  const file = join(path, "cascade.json");
  const [base, tsr1, ssr1, ssr2] = CASCADE.stages;
  const put = (...stages: unknown[]) => writeFileSync(file, JSON.stringify({ ...CASCADE, stages }));
  put(base, { ...tsr1, fill: "repeat" });
  await refused("BAD_CONFIG", /3 for low_res_channels of stage tsr1/);
  put({ ...base, guidance: { weight: 1, passes: "one" } });
  await refused("BAD_CONFIG", /guidance_input.* of stage base/);
  put({ ...base, height: 3 });
  await refused("BAD_CONFIG", /multiple of 2.* for height of stage base/);
  put(base, tsr1, ssr2, ssr1);
  await refused("BAD_CONFIG", /stage ssr1/);
  put({ ...base, folder: "elsewhere" });
  await refused("NOT_FOUND", /stage base/);
  put(base);
  const text = join(path, "text", "config.json");
  writeFileSync(text, readFileSync(text, "utf8").replace('"d_model": 16', '"d_model": 12'));
  await refused("BAD_CONFIG", /12 for text_width of stage base/);
});
