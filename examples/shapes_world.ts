/**
 * The pictures of docs/shapesworld.md: frames of a clip with boxes, surfaces, and occlusion.
 *
 *     npx tsx examples/shapes_world.ts [FOLDER]
 */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { drawBoxes, type RawImage, ShapesWorld, writeImage } from "torchsight";

const SIDE = 112;
const GAP = 4;

/** Pictures of one size beside each other, on white. */
function row(images: readonly RawImage[]): RawImage {
  const width = images.length * (SIDE + GAP) - GAP;
  const data = new Uint8Array(width * SIDE * 3).fill(255);
  for (const [at, image] of images.entries()) {
    for (let y = 0; y < SIDE; y += 1) {
      const line = image.data.subarray(y * SIDE * 3, (y + 1) * SIDE * 3);
      data.set(line, (y * width + at * (SIDE + GAP)) * 3);
    }
  }
  return { data, width, height: SIDE, channels: 3 };
}

const [folder = "docs/pictures"] = process.argv.slice(2);
mkdirSync(folder, { recursive: true });
const common = { size: [SIDE, SIDE], backgrounds: ["plain"] } as const;

const clip = new ShapesWorld({ ...common, seed: 4, objects: 3, occlusion: "heavy" }).clip(2);
const frames = [0, 3, 6, 9, 12, 15].map(async (at) => {
  const boxes = clip.objects.flatMap(({ id, boxes }) => {
    const box = boxes[at];
    return box ? [{ box, label: String(id) }] : [];
  });
  return await drawBoxes(clip.frame(at), boxes, { labels: ["0", "1", "2"] });
});
await writeImage(row(await Promise.all(frames)), join(folder, "shapes-clip.png"));
console.log(clip.captions[0]?.text);

const vocabulary = { fill: ["filled"], size: ["medium", "large"] } as const;
const surfaces = (["none", "matching", "conflict"] as const).flatMap((texture) => {
  const world = new ShapesWorld({ ...common, seed: 2, objects: 3, texture, vocabulary });
  return [world.clip(0).frame(0), world.clip(1).frame(0)];
});
await writeImage(row(surfaces), join(folder, "shapes-textures.png"));

const grounds = (["none", "some", "heavy"] as const).flatMap((occlusion) => {
  const world = new ShapesWorld({
    ...common,
    seed: 6,
    objects: 5,
    occlusion,
    backgrounds: undefined,
  });
  return [world.clip(3).frame(8), world.clip(5).frame(8)];
});
await writeImage(row(grounds), join(folder, "shapes-occlusion.png"));
