import { ShapesWorld } from "../data/shapesworld/index.js";
import { estimate, seconds } from "./measure.js";
import type { Benchmark } from "./report.js";

/** Clips of 16 frames in a measurement: some 30 ms or more of either size. */
const SIZES = [
  { side: 32, clips: 32 },
  { side: 224, clips: 4 },
] as const;

/** Drawing clips of Shapes World on one thread, with all that is known of them. */
export const shapes: Benchmark = {
  name: "shapes",
  async *run() {
    for (const { side, clips } of SIZES) {
      const world = new ShapesWorld({ size: [side, side] });
      let index = 0;
      let frames = 0;
      const values = [];
      for (let round = 0; round < 32; round += 1) {
        frames = 0;
        const taken = await seconds(() => {
          for (const clip of world.clips({ start: index, count: clips })) {
            clip.pixels();
            clip.annotations();
            frames += clip.frames;
          }
        });
        index += clips;
        // The first ones compile the code.
        if (round > 1) values.push(taken / frames);
      }
      const each = estimate(values);
      yield {
        name: `shapes: frame of ${side} x ${side}`,
        seconds: each,
        note: `${Math.round(1 / each.median)} frames/s with annotations`,
      };
    }
  },
};
