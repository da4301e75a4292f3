/** Networks of a cascade in memory: one at a time, and none once a run has ended. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "ava";
import { zeros } from "../../lib/core/create.js";
import { memory } from "../../lib/core/machine.js";
import {
  type CascadeLayout,
  parseCascade,
  parseConfig,
} from "../../lib/models/imagen_video/index.js";
import { VideoCascade } from "../../lib/video/index.js";
import { describedBy } from "../models/names.js";

const network = (low_res_channels: number) =>
  parseConfig({
    model_type: "imagen_video_unet",
    ...{ dim: 64, dim_mults: [4], blocks: [1], self_attention: [0], text_attention: [0] },
    ...{ temporal: "convolution", low_res_channels, text_width: 8, context_width: 64 },
  });
const size = { frames: 1, height: 4, width: 4, fps: 1, sampler: { steps: 3 } };
const LAYOUT: CascadeLayout = {
  cascade: parseCascade({
    stages: [
      { ...size, name: "base", kind: "base" },
      { ...size, name: "one", kind: "space" },
      { ...size, name: "two", kind: "space" },
    ],
  }),
  networks: { base: network(0), one: network(3), two: network(3) },
};
const BYTES = 4 * describedBy(LAYOUT.networks.one).elements;

const folder = mkdtempSync(join(tmpdir(), "torchsight-"));
test.before(async () => {
  await using cascade = await VideoCascade.random(LAYOUT);
  await cascade.save(folder);
});
test.after.always(() => rmSync(folder, { recursive: true, force: true }));

/** The most bytes that were live beyond those before, at any step of a run. */
async function most(cascade: VideoCascade, signal?: AbortSignal): Promise<number> {
  const before = memory().live;
  let peak = 0;
  const job = cascade.generate({ previews: { every: 1 }, signal });
  for await (using _ of job) peak = Math.max(peak, memory().live - before);
  (await job).dispose();
  return peak;
}

test.serial("one stage is in memory at a time, and none afterwards", async (t) => {
  t.true(BYTES > 30e6, `${BYTES}`);
  await using cascade = await VideoCascade.load(folder);
  const before = memory().live;
  const peak = await most(cascade);
  t.true(peak > BYTES && peak <= 1.2 * BYTES, `${peak} of ${BYTES}`);
  t.true(memory().live - before < 1e5, `${memory().live - before}`);
});

test.serial("stages that are kept stay until the cascade is disposed of", async (t) => {
  const before = memory().live;
  {
    await using cascade = await VideoCascade.load(folder, { keep: true });
    t.true((await most(cascade)) > 2.9 * BYTES);
    t.true((await most(cascade)) < 0.2 * BYTES);
  }
  t.true(memory().live - before < 1e5);
});

for (const stage of ["base", "one", "two"]) {
  test.serial(`a cancel in ${stage} gives its memory back`, async (t) => {
    await using cascade = await VideoCascade.load(folder);
    const before = memory().live;
    const abort = new AbortController();
    const job = cascade.generate({ steps: { [stage]: 10_000 }, signal: abort.signal });
    job.onProgress((progress) => {
      if (progress.stage === stage && progress.step > 0) abort.abort();
    });
    await t.throwsAsync(async () => await job, { code: "CANCELLED" });
    t.true(memory().live - before < 1e5, `${memory().live - before}`);
  });
}

test.serial("a failure gives the memory back", async (t) => {
  await using cascade = await VideoCascade.load(folder);
  const before = memory().live;
  using features = zeros([1, 2, 9]);
  await t.throwsAsync(async () => await cascade.generate({ prompt: { features } }), {
    code: "SHAPE",
    message: /stage base: .*text/,
  });
  t.true(memory().live - before < 1e5, `${memory().live - before}`);
});
