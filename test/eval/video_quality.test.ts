/** Scores of videos, equal to those of NumPy, SciPy and scikit-image. */
import { readFileSync } from "node:fs";
import test from "ava";
import { tensor } from "../../lib/core/create.js";
import { framePsnr, frameSsim, frechetDistance } from "../../lib/eval/index.js";
import { fixture } from "../models/fixtures.js";

const { frechet, clips } = JSON.parse(
  readFileSync(fixture("video_quality", "scores.json"), "utf8"),
);
const { frames, height, width } = clips;
const clip = (numbers: number[]) => ({ data: Uint8Array.from(numbers), frames, height, width });
const [one, other] = [clip(clips.one), clip(clips.other)];

const features = (numbers: number[], wide: number) =>
  tensor(Float64Array.from(numbers), { shape: [numbers.length / wide, wide] });

test("Fréchet distance, also of fewer samples than features", async (t) => {
  for (const { width: wide, one: a, other: b, distance } of frechet) {
    const ours = await frechetDistance(features(a, wide), features(b, wide));
    t.true(Math.abs(ours - distance) < 1e-6 * Math.max(1, distance), `${ours} ${distance}`);
    const same = await frechetDistance(features(a, wide), features(a, wide));
    t.true(Math.abs(same) < 1e-6 * distance, `${same}`);
  }
});

test("features that do not fit are refused", async (t) => {
  const wide = features([1, 2, 3, 4, 5, 6], 3);
  await t.throwsAsync(frechetDistance(wide, features([1, 2, 3, 4], 2)), { code: "SHAPE" });
  await t.throwsAsync(frechetDistance(wide, features([1, 2, 3], 3)), { code: "SHAPE" });
});

test("PSNR and SSIM of each frame", (t) => {
  for (const [score, expected] of [
    [framePsnr, clips.psnr],
    [frameSsim, clips.ssim],
  ] as const) {
    for (const [frame, ours] of score(one, other).entries()) {
      t.true(Math.abs(ours - expected[frame]) < 1e-7, `${ours} ${expected[frame]}`);
    }
  }
  t.deepEqual(framePsnr(one, one), [Infinity, Infinity, Infinity]);
  t.true(frameSsim(one, one).every((score) => Math.abs(score - 1) < 1e-12));
});

test("clips that do not fit are refused", (t) => {
  const wider = { ...one, width: width + 1 };
  t.throws(() => framePsnr(one, wider), { code: "SHAPE" });
  const tiny = { data: new Uint8Array(3 * 100), frames: 1, height: 10, width: 10 };
  t.throws(() => frameSsim(tiny, tiny), { code: "BAD_INPUT", message: /at least 11 pixels/ });
});
