/** cascade.json: defaults, and what is refused by its name. */
import test from "ava";
import {
  type CascadeInput,
  parseCascade,
  type StageInput,
} from "../../lib/models/imagen_video/index.js";

const BASE: StageInput = { name: "base", kind: "base", frames: 4, height: 8, width: 12, fps: 2 };
const TIME: StageInput = { ...BASE, name: "tsr1", kind: "time", frames: 8, fps: 4 };
const SPACE: StageInput = { ...TIME, name: "ssr1", kind: "space", height: 16, width: 24 };

const cascade = (...stages: object[]): CascadeInput => ({ stages: stages as StageInput[] });

test("what is left out has a default", (t) => {
  const { stages, ...rest } = parseCascade({
    ...cascade(BASE, TIME, { ...SPACE, folder: "large/one", augmentation_snr: "none" }),
    text: { folder: "text" },
  });
  t.deepEqual(rest, {
    format: "torchsight.cascade",
    version: 1,
    text: { folder: "text", max_length: 128 },
  });
  t.deepEqual(stages[0], {
    ...BASE,
    folder: "base",
    prediction: "v",
    schedule: {},
    sampler: {},
    guidance: 0,
    threshold: "static",
    augmentation_snr: 5,
    fill: "repeat",
    align_corners: false,
  });
  t.is(stages[2]!.folder, "large/one");
  t.is(stages[2]!.augmentation_snr, "none");
  const again = parseCascade(JSON.parse(JSON.stringify({ ...rest, stages })));
  t.deepEqual(again, { ...rest, stages });
});

test("what no cascade can be made of is refused by the name of field or stage", (t) => {
  const cases: [unknown, RegExp][] = [
    [[], /object for the cascade/],
    [cascade(), /1 to 32 stages for stages/],
    [{ ...cascade(BASE), version: 2 }, /expected 1 for version/],
    [{ ...cascade(BASE), format: "other" }, /torchsight\.cascade/],
    [{ ...cascade(BASE), stage: [] }, /unknown field stage; is stages meant/],
    [cascade({ ...BASE, step: 3 }), /unknown field stages\[0\]\.step/],
    [cascade({ ...BASE, name: "Base 1" }), /stages\[0\]\.name/],
    [cascade({ ...BASE, folder: "../other" }), /below that of the cascade for stages\[0\]\.folder/],
    [cascade({ ...BASE, folder: "/etc" }), /below that of the cascade/],
    [cascade({ ...BASE, frames: 0 }), /stages\[0\]\.frames/],
    [cascade({ ...BASE, sampler: { kind: "euler" } }), /stages\[0\]\.sampler\.kind/],
    [cascade({ ...BASE, guidance: { weight: 1, scale: 2 } }), /a weight or a scale/],
    [cascade({ ...BASE, guidance: { low: 1 } }), /a weight or a scale/],
    [cascade({ ...BASE, guidance: -1 }), /from 0 to 1000 for stages\[0\]\.guidance/],
    [cascade({ ...BASE, threshold: { percentile: 99 } }), /threshold\.percentile/],
    [cascade({ ...BASE, augmentation_snr: "some" }), /augmentation_snr/],
    [{ ...cascade(BASE), text: { max_length: 5 } }, /text\.folder/],
    [cascade(BASE, { ...TIME, name: "base" }), /a name of its own for stages\[1\]\.name/],
  ];
  for (const [input, message] of cases) {
    t.throws(() => parseCascade(input), { code: "BAD_CONFIG", message });
  }
});

test("stages out of order are refused by the name of the stage", (t) => {
  const cases: [object[], RegExp][] = [
    [[TIME, BASE], /expected base, the first stage, for kind of stage tsr1/],
    [[BASE, { ...BASE, name: "again" }], /expected time or space for kind of stage again/],
    [[BASE, SPACE], /expected 4, after base, for frames of stage ssr1/],
    [[BASE, { ...TIME, frames: 6 }], /a multiple of 4 for frames of stage tsr1/],
    [[BASE, { ...TIME, height: 16 }], /expected 8, after base, for height of stage tsr1/],
    [[BASE, { ...TIME, fps: 2 }], /expected 4, after base, for fps of stage tsr1/],
    [[BASE, TIME, { ...SPACE, width: 12 }], /expected 24, after tsr1, for width of stage ssr1/],
    [[BASE, TIME, { ...SPACE, height: 12 }], /a multiple of 8 for height of stage ssr1/],
  ];
  for (const [stages, message] of cases) {
    t.throws(() => parseCascade(cascade(...stages)), { code: "BAD_CONFIG", message });
  }
});
