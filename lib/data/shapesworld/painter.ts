/** Frames to pixels. */
import { type Drawn, drawnObjects } from "./drawn.js";
import { paintGround } from "./grounds.js";
import { Random, STREAMS } from "./random.js";
import { type Coverage, Raster } from "./raster.js";
import type { Scene } from "./scene.js";
import { lightness } from "./textures.js";
import { RGB } from "./vocabulary.js";

/** What the dark of a pattern leaves of a colour. */
const DARK = 0.35;

export class Painter {
  readonly #ground: Uint8Array;
  readonly #raster: Raster;
  readonly #objects: readonly Drawn[];

  constructor(
    readonly scene: Scene,
    readonly seed: number,
    readonly index: number,
    readonly grain: number,
  ) {
    const { ground, width, height } = scene;
    this.#ground = paintGround(ground, width, height);
    this.#raster = new Raster(width, height);
    this.#objects = drawnObjects(scene);
  }

  /** Paints a frame into `pixels`: red, green and blue of each pixel, row by row. */
  paint(frame: number, pixels: Uint8Array): void {
    pixels.set(this.#ground);
    for (const drawn of this.#objects) {
      if (drawn.object.path.on[frame] === 0) continue;
      const coverage = this.#raster.fill(drawn.contours(frame));
      if (drawn.object.texture === null) this.#plain(drawn, coverage, pixels);
      else this.#patterned(drawn, coverage, frame, pixels);
    }
    if (this.grain > 0) this.#addGrain(frame, pixels);
  }

  #plain(drawn: Drawn, coverage: Coverage, pixels: Uint8Array): void {
    const { left, top, width, height, data } = coverage;
    const [red, green, blue] = RGB[drawn.object.color];
    for (let row = 0, from = 0; row < height; row += 1) {
      let to = ((top + row) * this.scene.width + left) * 3;
      for (let column = 0; column < width; column += 1, from += 1, to += 3) {
        const ink = data[from]!;
        if (ink === 0) continue;
        pixels[to] = mixed(pixels[to]!, red, ink);
        pixels[to + 1] = mixed(pixels[to + 1]!, green, ink);
        pixels[to + 2] = mixed(pixels[to + 2]!, blue, ink);
      }
    }
  }

  #patterned(drawn: Drawn, coverage: Coverage, frame: number, pixels: Uint8Array): void {
    const { left, top, width, height, data } = coverage;
    const { x, y, radius, cosine, sine } = drawn.pose(frame);
    const texture = drawn.object.texture!;
    const rgb = RGB[drawn.object.color];
    for (let row = 0, from = 0; row < height; row += 1) {
      let to = ((top + row) * this.scene.width + left) * 3;
      const dy = top + row + 0.5 - y;
      for (let column = 0; column < width; column += 1, from += 1, to += 3) {
        const ink = data[from]!;
        if (ink === 0) continue;
        const dx = left + column + 0.5 - x;
        // Patterns turn and grow with their objects.
        const u = (dx * cosine + dy * sine) / radius;
        const v = (dy * cosine - dx * sine) / radius;
        const light = DARK + (1 - DARK) * lightness(texture, u, v, 1 / radius);
        for (let channel = 0; channel < 3; channel += 1) {
          const level = Math.floor(rgb[channel]! * light + 0.5);
          pixels[to + channel] = mixed(pixels[to + channel]!, level, ink);
        }
      }
    }
  }

  /** Moves each pixel's three levels alike, as far as 0 and 255. */
  #addGrain(frame: number, pixels: Uint8Array): void {
    const random = new Random(this.seed, this.index, STREAMS.grain + frame);
    const levels = 2 * this.grain + 1;
    for (let at = 0, word = 0; at < pixels.length; at += 3, word >>>= 8) {
      if (at % 12 === 0) word = random.word();
      const shift = (((word & 255) * levels) >> 8) - this.grain;
      for (let channel = at; channel < at + 3; channel += 1) {
        pixels[channel] = Math.min(255, Math.max(0, pixels[channel]! + shift));
      }
    }
  }
}

/** A level over another, `ink` of 255 of it. */
function mixed(under: number, over: number, ink: number): number {
  return ((under * (255 - ink) + over * ink + 127) / 255) | 0;
}
