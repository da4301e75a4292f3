/** The judge of generated clips, on clips of which everything is known. */
import test from "ava";
import { COLORS, SHAPES, ShapesWorld } from "../../lib/data/shapesworld/index.js";
import { type MovingShape, MovingShapesJudge } from "../../lib/eval/index.js";
import { readRecipe } from "../../lib/recipes/index.js";

const CLIPS = 1000;
const SHARE = 0.99;

const { vocabulary } = readRecipe("imagen_video/base").data.shapesworld as {
  vocabulary: {
    shape: MovingShape["shape"][];
    color: MovingShape["color"][];
    motion: MovingShape["motion"][];
  };
};
const judge = new MovingShapesJudge({
  colors: vocabulary.color,
  shapes: vocabulary.shape,
  motions: vocabulary.motion,
});

interface Look {
  side: number;
  frames: number;
  stride?: number;
}

function* clips(count: number, { side, frames, stride = 1 }: Look, words: object) {
  const world = new ShapesWorld({
    ...{ seed: 9, size: [side, side], frames, stride, fps: 8, objects: 1 },
    ...{ actionSeconds: [100, 100], backgrounds: ["plain"], vocabulary: words },
  });
  for (const clip of world.clips({ count })) {
    const { color, shape, actions } = clip.objects[0]!;
    const truth = { color, shape, motion: actions[0]!.name } as MovingShape;
    const seen = { data: clip.pixels(), frames, height: side, width: side };
    yield { seen, truth };
  }
}

for (const look of [
  { side: 32, frames: 16 },
  { side: 16, frames: 16 },
  { side: 16, frames: 8, stride: 2 },
]) {
  test(`clips of ${look.frames} frames of ${look.side} pixels a side`, (t) => {
    const right = { color: 0, shape: 0, motion: 0, all: 0 };
    let score = 0;
    for (const { seen, truth } of clips(CLIPS, look, vocabulary)) {
      const verdict = judge.judge(seen);
      const keys = ["color", "shape", "motion"] as const;
      for (const key of keys) right[key] += verdict[key] === truth[key] ? 1 : 0;
      right.all += keys.every((key) => verdict[key] === truth[key]) ? 1 : 0;
      score += judge.score(verdict, truth) / CLIPS;
    }
    t.true(right.all >= SHARE * CLIPS, JSON.stringify(right));
    t.true(score > 0.9, `${score}`);
  });
}

test("all shapes, colours and motions that it knows", (t) => {
  const motion = ["still", "left", "right", "up", "down", "grow", "shrink", "blink"];
  const words = { shape: SHAPES, color: COLORS, size: ["large"], fill: ["filled"], motion };
  const all = new MovingShapesJudge();
  let right = 0;
  for (const { seen, truth } of clips(200, { side: 32, frames: 16 }, words)) {
    const { color, shape, motion: moved } = all.judge(seen);
    right += color === truth.color && shape === truth.shape && moved === truth.motion ? 1 : 0;
  }
  t.true(right >= 0.97 * 200, `${right}`);
});

test("what was not asked for scores low, and noise is at chance", (t) => {
  const [{ seen, truth }] = [...clips(1, { side: 32, frames: 16 }, vocabulary)] as [
    { seen: Parameters<typeof judge.judge>[0]; truth: MovingShape },
  ];
  const verdict = judge.judge(seen);
  const other = vocabulary.color.find((color) => color !== truth.color)!;
  t.true(judge.score(verdict, { ...truth, color: other }) < 0.01);
  const noise = Uint8Array.from({ length: seen.data.length }, (_, at) => (at * 7919) % 251);
  const { motions } = judge.judge({ ...seen, data: noise });
  t.true([...motions.values()].every((one) => one < 0.5));
  const empty = judge.judge({ ...seen, data: new Uint8Array(seen.data.length) });
  t.true([...empty.colors.values()].every((one) => Math.abs(one - 0.25) < 1e-9));
});

test("options and clips that mean nothing are refused", (t) => {
  const bad = (options: object) => () => new MovingShapesJudge(options);
  t.throws(bad({ colors: ["mauve"] }), { code: "BAD_INPUT", message: /mauve/ });
  t.throws(bad({ shapes: [] }), { code: "BAD_INPUT", message: /shapes/ });
  t.throws(bad({ motions: ["spin"] }), { code: "BAD_INPUT", message: /spin/ });
  const clip = { data: new Uint8Array(5), frames: 1, height: 2, width: 2 };
  t.throws(() => judge.judge(clip), { code: "SHAPE", message: /1 frames of 2 x 2/ });
});
