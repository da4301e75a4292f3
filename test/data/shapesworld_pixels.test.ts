/** Shapes World: what is told of clips agrees with their pixels. */
import test from "ava";
import type { Box } from "../../lib/data/shapesworld/drawn.js";
import {
  RGB,
  SHAPES,
  ShapesWorld,
  type ShapesWorldOptions,
} from "../../lib/data/shapesworld/index.js";
import { holeOf, outlineOf, reachOf } from "../../lib/data/shapesworld/outlines.js";
import { Painter } from "../../lib/data/shapesworld/painter.js";
import { Raster } from "../../lib/data/shapesworld/raster.js";
import { drawScene, type Scene } from "../../lib/data/shapesworld/scene.js";
import { settingsOf } from "../../lib/data/shapesworld/settings.js";
import { lightness } from "../../lib/data/shapesworld/textures.js";
import { onCircle } from "../../lib/data/shapesworld/turns.js";
import { clipsOf } from "./shapesworld.js";

/** Whether a point lies inside of a polygon: a ray from it crosses an odd number of sides. */
function isInside(polygon: Float64Array, x: number, y: number): boolean {
  let inside = false;
  let [ax, ay] = [polygon.at(-2)!, polygon.at(-1)!];
  for (let at = 0; at < polygon.length; at += 2) {
    const [bx, by] = [polygon[at]!, polygon[at + 1]!];
    if (ay > y !== by > y && x < ax + ((y - ay) / (by - ay)) * (bx - ax)) inside = !inside;
    [ax, ay] = [bx, by];
  }
  return inside;
}

/** Negative where the corners go the other way round. */
function areaOf(polygon: Float64Array): number {
  let double = 0;
  let [ax, ay] = [polygon.at(-2)!, polygon.at(-1)!];
  for (let at = 0; at < polygon.length; at += 2) {
    const [bx, by] = [polygon[at]!, polygon[at + 1]!];
    double += ax * by - bx * ay;
    [ax, ay] = [bx, by];
  }
  return double / 2;
}

for (const shape of SHAPES) {
  test(`${shape}: coverage is the share of samples inside`, (t) => {
    const samples = 16;
    const raster = new Raster(24, 20);
    for (const turn of [0.03, 0.16, 0.43]) {
      const [cosine, sine] = onCircle(turn);
      const placed = (contour: Float64Array) => {
        return contour.map((value, at) => {
          if (at % 2 === 0) return 12 + turn + 7.3 * (cosine * value - sine * contour[at + 1]!);
          return 10 - turn + 7.3 * (sine * contour[at - 1]! + cosine * value);
        });
      };
      const outer = placed(outlineOf(shape));
      const inner = placed(holeOf(shape, 0));
      const { left, top, width, height, data } = raster.fill([outer, inner]);
      let sum = 0;
      for (let row = 0; row < 20; row += 1) {
        for (let column = 0; column < 24; column += 1) {
          let count = 0;
          for (let at = 0; at < samples * samples; at += 1) {
            const u = column + ((at % samples) + 0.5) / samples;
            const v = row + (Math.floor(at / samples) + 0.5) / samples;
            if (isInside(outer, u, v) && !isInside(inner, u, v)) count += 1;
          }
          const share = count / samples ** 2;
          const within =
            column >= left && column < left + width && row >= top && row < top + height;
          const got = within ? data[(row - top) * width + column - left]! / 255 : 0;
          t.true(Math.abs(got - share) < 0.05, `${column}, ${row}: ${got} ${share}`);
          sum += got;
        }
      }
      const area = areaOf(outer) + areaOf(inner);
      t.true(Math.abs(sum - area) < 0.05, `${sum} ${area}`);
    }
    const squares = [...outlineOf(shape)].map((value) => value * value);
    const far = Math.max(...squares.map((value, at) => (at % 2 ? 0 : value + squares[at + 1]!)));
    t.is(reachOf(shape), Math.sqrt(far));
  });
}

/** The pixels of which an object, drawn alone in white on black, covers at least half. */
function alone(scene: Scene, id: number, frame: number): Uint8Array {
  const black = { ...scene.ground, background: "plain", from: [0, 0, 0], to: [0, 0, 0] } as const;
  const object = { ...scene.objects[id]!, color: "white", texture: null } as const;
  const only = { ...scene, ground: black, objects: [object] };
  const pixels = new Uint8Array(scene.width * scene.height * 3);
  new Painter(only, 0, 0, 0).paint(frame, pixels);
  const half = Math.floor((RGB.white[0] * 128 + 127) / 255);
  return Uint8Array.from({ length: pixels.length / 3 }, (_, at) => {
    return pixels[3 * at]! >= half ? 1 : 0;
  });
}

const WORLDS: Readonly<Record<string, ShapesWorldOptions>> = {
  plain: { seed: 1 },
  "of any size": { seed: 2, size: { shortSide: [24, 80], aspect: [0.5, 2] }, frames: [1, 24] },
  crowded: { seed: 3, objects: [4, 7], occlusion: "heavy", size: [96, 72] },
  "without occlusion": { seed: 4, objects: 4, occlusion: "none" },
  patterned: { seed: 5, texture: "conflict", occlusion: "heavy", grain: 8 },
};

for (const [name, options] of Object.entries(WORLDS)) {
  test(`masks, boxes, visibility and who hides whom, of a world ${name}`, (t) => {
    const settings = settingsOf(options);
    let seen = 0;
    let hidden = 0;
    for (const clip of new ShapesWorld(options).clips({ count: 8 })) {
      const scene = drawScene(settings, clip.index);
      const hides = new Set<string>();
      for (let frame = 0; frame < clip.frames; frame += 1) {
        const masks = clip.objects.map(({ id }) => alone(scene, id, frame));
        const shown = clip.segmentation(frame).data;
        for (const { id, boxes, visibility, amodalBoxes } of clip.objects) {
          let [all, visible] = [0, 0];
          let box: Box | null = null;
          for (let at = 0; at < shown.length; at += 1) {
            if (masks[id]![at] === 0) continue;
            all += 1;
            masks.forEach((mask, other) => {
              if (other > id && mask[at]) hides.add(`${other} ${id} ${frame}`);
            });
            if (masks.some((mask, other) => other > id && mask[at])) continue;
            visible += 1;
            t.is(shown[at], id + 1);
            const [x, y] = [at % clip.width, Math.floor(at / clip.width)];
            const [x0, y0, x1, y1]: Box = box ?? [x, y, x + 1, y + 1];
            box = [Math.min(x0, x), Math.min(y0, y), Math.max(x1, x + 1), Math.max(y1, y + 1)];
          }
          t.deepEqual(boxes[frame], box);
          t.is(visibility[frame], all === 0 ? 0 : visible / all);
          t.is(clip.mask(id, frame).data.filter((value) => value === 255).length, visible);
          seen += visible;
          hidden += all - visible;
          // The box about all of it holds what is seen, and lies in the picture.
          const [x0, y0, x1, y1] = amodalBoxes[frame]!;
          t.true(x0 >= -1e-9 && y0 >= -1e-9);
          t.true(x1 <= clip.width + 1e-9 && y1 <= clip.height + 1e-9);
          if (box) {
            t.true(box[0] >= x0 - 0.51 && box[2] <= x1 + 0.51, `${box} ${amodalBoxes[frame]}`);
            t.true(box[1] >= y0 - 0.51 && box[3] <= y1 + 0.51);
          }
        }
        const objects = shown.filter((value) => value > 0).length;
        const covered = masks.reduce((sum, mask) => sum.map((v, at) => v | mask[at]!));
        t.is(objects, covered.filter((value) => value === 1).length);
      }
      for (const { relation, subject, object, start, end } of clip.relations) {
        if (relation !== "in front of") continue;
        for (let at = Math.round(start * clip.fps); at < Math.round(end * clip.fps); at += 1) {
          t.true(hides.delete(`${subject} ${object} ${at}`), `${subject} ${object} ${at}`);
        }
      }
      t.is(hides.size, 0, "each is told");
    }
    t.true(seen > 0);
    if (options.occlusion === "none") t.is(hidden, 0);
    if (options.occlusion === "heavy") t.true(hidden / (seen + hidden) > 0.02);
  });
}

test("each object is plainly to be seen in some frame, however crowded", (t) => {
  for (const occlusion of ["none", "some", "heavy"] as const) {
    for (const clip of clipsOf(60, { objects: [3, 6], occlusion, size: [48, 48], seed: 8 })) {
      for (const { visibility, shape } of clip.objects) {
        t.true(Math.max(...visibility) > 0.6, `${clip.index} ${shape}: ${Math.max(...visibility)}`);
      }
    }
  }
});

test("levels of occlusion are in order", (t) => {
  const hidden = (["none", "some", "heavy"] as const).map((occlusion) => {
    let [sum, count] = [0, 0];
    for (const clip of clipsOf(80, { objects: 4, occlusion, vocabulary: { motion: ["left"] } })) {
      for (const { visibility } of clip.objects) {
        for (const share of visibility) sum += 1 - share;
        count += visibility.length;
      }
    }
    return sum / count;
  });
  t.is(hidden[0], 0);
  t.true(hidden[1]! > 0.001 && hidden[1]! < 0.06, `${hidden}`);
  t.true(hidden[2]! > 2 * hidden[1]!, `${hidden}`);
});

test("inner pixels have the colour told, and edges lie between it and the ground", (t) => {
  const options = {
    seed: 6,
    size: [128, 128],
    objects: 1,
    vocabulary: { fill: ["filled"] },
  } as const;
  for (const clip of clipsOf(12, { ...options, backgrounds: ["plain"] })) {
    const [{ color, boxes }] = clip.objects as [(typeof clip.objects)[number]];
    const frame = boxes.findIndex((box) => box !== null);
    const { data } = clip.frame(frame);
    const shown = clip.segmentation(frame).data;
    const ground = data.subarray(0, 3);
    let [pure, mixed] = [0, 0];
    for (let at = 0; at < shown.length; at += 1) {
      const pixel = [...data.subarray(3 * at, 3 * at + 3)];
      if (pixel.every((level, channel) => level === RGB[color][channel])) {
        t.is(shown[at], 1);
        pure += 1;
      } else if (!pixel.every((level, channel) => level === ground[channel])) {
        mixed += 1;
        const ends = pixel.map((level, c) => [level, ground[c]!, RGB[color][c]!] as const);
        for (const [level, a, b] of ends) {
          t.true(level >= Math.min(a, b) - 1 && level <= Math.max(a, b) + 1);
        }
      }
    }
    t.true(pure > 100 && mixed > 10 && mixed < pure, `${pure} ${mixed}`);
  }
});

test("surfaces have the pattern told: their shape's own, or in conflict with it", (t) => {
  for (const texture of ["matching", "conflict"] as const) {
    const vocabulary = { size: ["large"], color: ["white"], motion: ["spin", "left"] } as const;
    const options = {
      seed: 7,
      texture,
      size: [192, 192],
      objects: 1,
      frames: 2,
      vocabulary,
    } as const;
    for (const clip of clipsOf(30, options)) {
      const [object] = clip.objects as [(typeof clip.objects)[number]];
      t.is(object.texture === object.shape, texture === "matching");
      const scene = drawScene(settingsOf(options), clip.index);
      const { path, radius } = scene.objects[0]!;
      const angle = 2 * Math.PI * path.turn[1]!;
      const { data } = clip.frame(1);
      const shown = clip.segmentation(1).data;
      const errors = SHAPES.map((shape) => {
        let [sum, count] = [0, 0];
        for (let at = 0; at < shown.length; at += 1) {
          if (shown[at] === 0) continue;
          const dx = ((at % 192) + 0.5) / 192 - path.x[1]!;
          const dy = (Math.floor(at / 192) + 0.5) / 192 - path.y[1]!;
          const u = (dx * Math.cos(angle) + dy * Math.sin(angle)) / radius;
          const v = (dy * Math.cos(angle) - dx * Math.sin(angle)) / radius;
          const light = lightness(shape, u, v, 1 / (192 * radius));
          sum += Math.abs(data[3 * at]! - 245 * (0.35 + 0.65 * light));
          count += 1;
        }
        return sum / count;
      });
      const best = errors.indexOf(Math.min(...errors));
      t.is(SHAPES[best], object.texture!);
      const others = errors.filter((_, at) => at !== best);
      t.true(errors[best]! < 12 && Math.min(...others) > 30, `${errors}`);
    }
  }
});

test("textures leave scenes as they are", (t) => {
  const vocabulary = { fill: ["filled"] } as const;
  const plain = clipsOf(5, { seed: 2, vocabulary });
  for (const texture of ["matching", "conflict"] as const) {
    for (const [at, clip] of clipsOf(5, { seed: 2, vocabulary, texture }).entries()) {
      const bare = clip.objects.map((object) => ({ ...object, texture: null }));
      t.deepEqual(bare, [...plain[at]!.objects]);
      t.deepEqual(clip.segmentation(3), plain[at]!.segmentation(3));
      t.notDeepEqual(clip.frame(0), plain[at]!.frame(0));
    }
  }
});

test("grounds are of the kinds asked for, and darker than objects", (t) => {
  for (const background of ["plain", "gradient", "textured"] as const) {
    for (const clip of clipsOf(12, { seed: 5, backgrounds: [background] })) {
      t.is(clip.background, background);
      const { data } = clip.frame(0);
      const shown = clip.segmentation(0).data;
      const near = new Set<number>();
      // Far from edges, which mix the object's colour in.
      const away = [...shown.keys()].filter((at) => {
        const around = [-130, -66, -65, -64, -63, -2, -1, 0, 1, 2, 63, 64, 65, 66, 128];
        return around.every((step) => !shown[at + step]);
      });
      for (const at of away) {
        t.true(Math.max(...data.subarray(3 * at, 3 * at + 3)) <= 100);
        near.add(data[3 * at]!);
      }
      if (background === "plain") t.is(near.size, 1);
      else t.true(near.size > 3, `${near.size}`);
    }
  }
  const colors = Object.values(RGB);
  for (const rgb of colors) t.true(Math.max(...rgb) >= 175);
});

test("grain moves pixels evenly, within its bound, anew in each frame", (t) => {
  const [plain] = clipsOf(1, { seed: 5, vocabulary: { motion: ["still"] } });
  const [grainy] = clipsOf(1, { seed: 5, grain: 16, vocabulary: { motion: ["still"] } });
  const [clean, first, second] = [plain!.frame(0), grainy!.frame(0), grainy!.frame(1)];
  const shifts = Array.from(first.data, (level, at) => level - clean.data[at]!);
  t.is(Math.max(...shifts.map(Math.abs)), 16);
  const mean = shifts.reduce((sum, shift) => sum + shift, 0) / shifts.length;
  t.true(Math.abs(mean) < 0.5, `${mean}`);
  const square = shifts.reduce((sum, shift) => sum + shift * shift, 0) / shifts.length;
  t.true(Math.abs(square - (33 ** 2 - 1) / 12) < 4, `${square}`);
  t.notDeepEqual(second.data, first.data);
});
