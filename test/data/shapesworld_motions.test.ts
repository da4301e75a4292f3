/** Shapes World: every motion does what it says, from its start to its end. */
import test, { type ExecutionContext } from "ava";
import {
  MOTIONS,
  type Motion,
  type ShapesClip,
  type ShapesObject,
  type ShapesWorldOptions,
} from "../../lib/data/shapesworld/index.js";
import { clipsOf, framesOf, placeOf } from "./shapesworld.js";

/** What holds of the places of an object in the frames of an action. */
type Check = (
  t: ExecutionContext,
  object: ShapesObject,
  frames: readonly number[],
  clip: ShapesClip,
) => void;

const EPSILON = 1e-6;

const values = (object: ShapesObject, frames: readonly number[], key: "x" | "y" | "width") => {
  return frames.map((frame) => placeOf(object, frame)[key]);
};
const reach = (list: readonly number[]) => Math.max(...list) - Math.min(...list);
const steps = (list: readonly number[]) => list.slice(1).map((value, at) => value - list[at]!);

/** Neither moves nor changes. */
const rests: Check = (t, object, frames) => {
  for (const frame of frames) {
    object.amodalBoxes[frame]!.forEach((side, at) => {
      t.true(Math.abs(side - object.amodalBoxes[frames[0]!]![at]!) < EPSILON);
    });
  }
};

const isSeen: Check = (t, object, frames) => {
  for (const frame of frames) t.not(object.boxes[frame], null);
};

/** Moves along one axis alone, always the same way. */
const moves = (axis: "x" | "y", sign: number): Check => {
  return (t, object, frames, clip) => {
    const way = values(object, frames, axis);
    for (const step of steps(way)) t.true(step * sign > 0, `${step}`);
    t.true(reach(way) > 0.03 * Math.min(clip.width, clip.height), `${reach(way)}`);
    t.true(reach(values(object, frames, axis === "x" ? "y" : "x")) < EPSILON);
    t.true(reach(values(object, frames, "width")) < EPSILON);
    isSeen(t, object, frames, clip);
  };
};

const bounces: Check = (t, object, frames, clip) => {
  const [across, upright] = [values(object, frames, "x"), values(object, frames, "y")];
  const way = reach(across) > reach(upright) ? across : upright;
  t.true(Math.min(reach(across), reach(upright)) < EPSILON, "one axis");
  t.true(reach(way) > 0.03 * clip.width);
  t.true(Math.abs(way.at(-1)! - way[0]!) < EPSILON, "comes back");
  // Two frames may lie as far from where it turns.
  const moved = steps(way).filter((step) => Math.abs(step) > EPSILON);
  const turns = moved.filter((step, at, all) => at > 0 && step * all[at - 1]! < 0);
  t.true(turns.length % 2 === 1 && turns.length < frames.length / 2, `${turns.length}`);
  isSeen(t, object, frames, clip);
};

const orbits: Check = (t, object, frames, clip) => {
  const [across, upright] = [values(object, frames, "x"), values(object, frames, "y")];
  const [first, last] = [placeOf(object, frames[0]!), placeOf(object, frames.at(-1)!)];
  t.true(Math.hypot(first.x - last.x, first.y - last.y) < EPSILON, "comes back");
  // Without the last, which is the first again, places lie evenly about the centre.
  const mean = (list: readonly number[]) => {
    return list.slice(0, -1).reduce((sum, value) => sum + value, 0) / (list.length - 1);
  };
  const [x, y] = [mean(across), mean(upright)];
  const angles = frames.map((_, at) => Math.atan2(upright[at]! - y, across[at]! - x));
  const way = steps(angles).map((step) => step - 2 * Math.PI * Math.round(step / (2 * Math.PI)));
  t.true(way.every((step) => step > 0) || way.every((step) => step < 0), `${way}`);
  const rounds = way.reduce((sum, step) => sum + step, 0) / (2 * Math.PI);
  t.true(Math.abs(rounds - Math.round(rounds)) < EPSILON && Math.round(rounds) !== 0);
  isSeen(t, object, frames, clip);
};

/** Half the turn of the main axis of an object's pixels, in radians. */
function axisOf(clip: ShapesClip, frame: number): number {
  const { data } = clip.segmentation(frame);
  const points = [...data.keys()].filter((at) => data[at] !== 0);
  const [xs, ys] = [(at: number) => at % clip.width, (at: number) => Math.floor(at / clip.width)];
  const mean = (of: (at: number) => number) => {
    return points.reduce((sum, at) => sum + of(at), 0) / points.length;
  };
  const [x, y] = [mean(xs), mean(ys)];
  const across = mean((at) => (xs(at) - x) ** 2 - (ys(at) - y) ** 2);
  return (
    Math.atan2(
      mean((at) => 2 * (xs(at) - x) * (ys(at) - y)),
      across,
    ) / 2
  );
}

const spins: Check = (t, object, frames, clip) => {
  if (object.shape === "bar" && clip.objects.length === 1) {
    const way = steps(frames.map((frame) => axisOf(clip, frame)));
    const turned = way.map((step) => step - Math.PI * Math.round(step / Math.PI));
    t.true(Math.abs(turned.reduce((sum, step) => sum + step, 0)) > 0.5, `${turned}`);
    t.true(turned.every((step) => step > 0.01) || turned.every((step) => step < -0.01));
  } else t.true(reach(values(object, frames, "width")) > 0);
  // Boxes of shapes that are no circles sway about the middle.
  const radius = placeOf(object, frames[0]!).width;
  t.true(reach(values(object, frames, "x")) < radius);
  t.true(reach(values(object, frames, "y")) < radius);
  isSeen(t, object, frames, clip);
};

const blinks: Check = (t, object, frames, clip) => {
  rests(t, object, frames, clip);
  const on = frames.map((frame) => object.boxes[frame] !== null);
  t.true(on[0], "begins switched on");
  t.true(on.includes(false));
  const half = Math.max(1, Math.min(Math.round(clip.fps / 4), Math.floor(frames.length / 2)));
  for (const [at, frame] of frames.entries()) {
    t.is(on[at]!, Math.floor(at / half) % 2 === 0);
    t.is(object.visibility[frame]! > 0, on[at]!);
  }
};

const scales = (sign: number): Check => {
  return (t, object, frames, clip) => {
    const widths = values(object, frames, "width");
    for (const step of steps(widths)) t.true(step * sign > 0);
    const ratio = Math.max(...widths) / Math.min(...widths);
    t.true(Math.abs(ratio - 1 / 0.55) < 0.01, `${ratio}`);
    // Boxes of shapes whose middle is not that of their box move a little.
    t.true(reach(values(object, frames, "x")) < 0.12 * Math.max(...widths));
    isSeen(t, object, frames, clip);
  };
};

/** The room between the boxes of two objects. */
function gap(a: ShapesObject, b: ShapesObject, frame: number): number {
  const [one, other] = [a.amodalBoxes[frame]!, b.amodalBoxes[frame]!];
  return Math.max(other[0] - one[2], one[0] - other[2], other[1] - one[3], one[1] - other[3]);
}

const approaches = (sign: number): Check => {
  return (t, object, frames, clip) => {
    const partner = clip.objects.find(({ id }) => {
      return object.actions.some((action) => action.with === id);
    })!;
    t.truthy(partner);
    const unit = Math.min(clip.width, clip.height);
    const way = frames.map((frame) => gap(object, partner, frame));
    for (const step of steps(way)) t.true(step * sign > 0);
    t.true(Math.abs(Math.min(...way)) < 0.011 * unit, `${Math.min(...way) / unit}`);
    t.true(Math.max(...way) > 0.1 * unit, `${Math.max(...way) / unit}`);
    isSeen(t, object, frames, clip);
  };
};

const CHECKS: Readonly<Record<Motion, Check>> = {
  still: (t, object, frames, clip) => {
    rests(t, object, frames, clip);
    isSeen(t, object, frames, clip);
  },
  left: moves("x", -1),
  right: moves("x", 1),
  up: moves("y", -1),
  down: moves("y", 1),
  bounce: bounces,
  orbit: orbits,
  spin: spins,
  blink: blinks,
  grow: scales(1),
  shrink: scales(-1),
  meet: approaches(-1),
  part: approaches(1),
};

for (const motion of MOTIONS) {
  test(`${motion}, alone`, (t) => {
    const paired = motion === "meet" || motion === "part";
    const base = { objects: paired ? 2 : 1, vocabulary: { motion: [motion] }, seed: 11 } as const;
    const worlds: ShapesWorldOptions[] = [
      base,
      { ...base, frames: 8, size: [48, 48] },
      { ...base, frames: 24, fps: 12.5, size: [96, 60] },
      { ...base, frames: 4, fps: 4, size: [40, 90] },
      { ...base, vocabulary: { motion: [motion], shape: ["bar"], fill: ["filled"] } },
    ];
    for (const options of worlds) {
      for (const clip of clipsOf(12, options)) {
        t.is(clip.objects.length, paired ? 2 : 1);
        for (const object of clip.objects) {
          t.deepEqual(
            object.actions.map(({ name, start, end }) => [name, start, end]),
            [[motion, 0, clip.frames / clip.fps]],
          );
          CHECKS[motion](t, object, [...object.boxes.keys()], clip);
        }
      }
    }
  });
}

test("actions follow each other from the first frame to the last, each as it says", (t) => {
  const seen = new Set<string>();
  const worlds: ShapesWorldOptions[] = [
    { seed: 12, occlusion: "none" },
    { seed: 13, occlusion: "none", frames: 60, size: [80, 64], objects: 2 },
    { seed: 14, occlusion: "none", fps: 10, actionSeconds: [0.5, 0.8], frames: [20, 40] },
  ];
  for (const options of worlds) {
    for (const clip of clipsOf(60, options)) {
      for (const object of clip.objects) {
        const { actions } = object;
        t.is(actions.at(-1)!.end, clip.frames / clip.fps);
        for (const [at, { start }] of actions.entries()) t.is(start, actions[at - 1]?.end ?? 0);
        for (const { motion, frames } of framesOf(clip, object)) {
          t.true(frames.length >= 4);
          CHECKS[motion](t, object, frames, clip);
        }
        seen.add(actions.map(({ name }) => name).join());
      }
    }
  }
  t.true(seen.size > 150, `${seen.size}`);
});

test("an action lasts as long as asked", (t) => {
  for (const clip of clipsOf(20, { frames: 80, actionSeconds: [1.5, 2], objects: 1 })) {
    for (const { start, end } of clip.objects[0]!.actions.slice(0, -1)) {
      t.true(end - start >= 1.5 && end - start <= 2.05, `${end - start}`);
    }
  }
});

test("nothing moves in a single frame", (t) => {
  for (const clip of clipsOf(20, { frames: 1, stride: 4 })) {
    t.is(clip.frames, 1);
    for (const { actions } of clip.objects) {
      t.deepEqual(actions, [{ name: "still", start: 0, end: 1 / 8 }]);
    }
  }
});

test("with a stride, fewer frames show as much of the world", (t) => {
  const options = { objects: 1, frames: 12, vocabulary: { motion: ["left", "right"] } } as const;
  for (const [at, clip] of clipsOf(10, { ...options, stride: 4 }).entries()) {
    t.is(clip.fps, 2);
    const [object] = clip.objects as [ShapesObject];
    t.is(object.actions.at(-1)!.end, 6);
    t.true(object.actions.length >= 3);
    for (const { motion, frames } of framesOf(clip, object)) {
      const way = steps(values(object, frames, "x"));
      for (const step of way) t.true(motion === "left" ? step < 0 : step > 0);
    }
    const fastest = (one: ShapesObject) => {
      return Math.max(...steps(values(one, [...one.boxes.keys()], "x")).map(Math.abs));
    };
    const [slow] = clipsOf(at + 1, options).at(-1)!.objects as [ShapesObject];
    t.true(fastest(object) > 1.5 * fastest(slow), `${fastest(object)} ${fastest(slow)}`);
  }
});

test("ids stay with their objects while something hides them, or they are off", (t) => {
  let gaps = 0;
  for (const clip of clipsOf(60, { objects: 5, occlusion: "heavy", frames: 24, seed: 15 })) {
    for (const object of clip.objects) {
      for (let frame = 1; frame < clip.frames - 1; frame += 1) {
        const { boxes, visibility } = object;
        if (boxes[frame] !== null) continue;
        t.is(visibility[frame], 0);
        t.truthy(object.amodalBoxes[frame]);
        if (boxes[frame - 1] && boxes.slice(frame).some((box) => box !== null)) gaps += 1;
      }
      // What is seen again is where the track says, in the colour of the object.
      for (const [frame, box] of object.boxes.entries()) {
        if (!box) continue;
        const { x, y, width, height } = placeOf(object, frame);
        t.true(Math.abs((box[0] + box[2]) / 2 - x) <= width / 2 + 0.5);
        t.true(Math.abs((box[1] + box[3]) / 2 - y) <= height / 2 + 0.5);
      }
    }
  }
  t.true(gaps > 10, `${gaps}`);
});
