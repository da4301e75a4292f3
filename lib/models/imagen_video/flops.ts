/** What one evaluation of a stage's network costs, on paper. */
import type { ImagenVideoConfig } from "./config.js";

/** A clip that a stage makes. */
export interface ClipSize {
  frames: number;
  height: number;
  width: number;
}

/**
 * Floating-point operations of one evaluation for one clip and `tokens` tokens of text, two for
 * each multiplication with its addition: convolutions, linear layers and attention. Norms and
 * activations are left out, and embeddings of levels, which are made once a clip.
 */
export function flopsOf(config: ImagenVideoConfig, size: ClipSize, tokens = 256): number {
  const counter = new Counter(config, size, tokens);
  return 2 * (config.kind === "plain" ? counter.plain() : counter.efficient());
}

/** Counts multiplications as it walks the network; see native/models/imagen_video/unet.cc. */
class Counter {
  readonly #config: ImagenVideoConfig;
  readonly #size: ClipSize;
  /** Tokens of the text, and the one that is always seen. */
  readonly #tokens: number;
  readonly #widths: readonly number[];
  #sum = 0;

  constructor(config: ImagenVideoConfig, size: ClipSize, tokens: number) {
    this.#config = config;
    this.#size = size;
    this.#tokens = tokens + 1;
    this.#widths = config.dim_mults.map((mult) => mult * config.dim);
  }

  plain(): number {
    const { dim, blocks } = this.#config;
    const last = blocks.length - 1;
    const skips = [dim];
    let width = this.#stem();
    for (const [level, count] of blocks.entries()) {
      for (let block = 0; block < count; block += 1) {
        width = this.#block(width, level, level);
        this.#mix(level, level);
        skips.push(width);
      }
      if (level === last) continue;
      this.#convolve(width, width, level + 1);
      skips.push(width);
    }
    this.#block(width, last, last);
    this.#middle(last);
    this.#block(width, last, last);
    for (let level = last; level >= 0; level -= 1) {
      for (let block = 0; block <= blocks[level]!; block += 1) {
        width = this.#block(width + skips.pop()!, level, level);
        this.#mix(level, level);
      }
      if (level > 0) this.#convolve(width, width, level - 1);
    }
    return this.#end(width);
  }

  efficient(): number {
    const { dim, blocks } = this.#config;
    let width = this.#stem();
    for (const [level, count] of blocks.entries()) {
      this.#convolve(width, width, level + 1);
      for (let block = 0; block < count; block += 1) {
        width = this.#block(width, level, level + 1, true);
      }
      this.#mix(level, level + 1);
    }
    for (let level = blocks.length - 1; level >= 0; level -= 1) {
      width += this.#widths[level]!;
      for (let block = 0; block < blocks[level]!; block += 1) {
        width = this.#block(width, level, level + 1, true);
      }
      this.#mix(level, level + 1);
      const finer = level > 0 ? this.#widths[level - 1]! : dim;
      this.#convolve(width, finer, level);
      width = finer;
    }
    return this.#end(width);
  }

  #pixels(halvings: number): number {
    const { frames, height, width } = this.#size;
    return (frames * height * width) / 4 ** halvings;
  }

  #stem(): number {
    const { dim, channels, low_res_channels } = this.#config;
    this.#convolve(channels + low_res_channels, dim, 0);
    return dim;
  }

  #end(width: number): number {
    this.#convolve(width, this.#config.channels, 0);
    return this.#sum;
  }

  #convolve(from: number, to: number, halvings: number, kernel = 9): void {
    this.#sum += kernel * from * to * this.#pixels(halvings);
  }

  #block(from: number, level: number, halvings: number, shortcut = false): number {
    const to = this.#widths[level]!;
    this.#convolve(from, to, halvings);
    this.#convolve(to, to, halvings);
    if (shortcut || from !== to) this.#convolve(from, to, halvings, 1);
    return to;
  }

  #mix(level: number, halvings: number): void {
    const { self_attention, text_attention } = this.#config;
    this.#attend(level, halvings, self_attention[level] === 1, text_attention[level] === 1);
  }

  /** Attention where any level has it. */
  #middle(level: number): void {
    const { self_attention, text_attention } = this.#config;
    this.#attend(level, level, self_attention.includes(1), text_attention.includes(1));
  }

  #attend(level: number, halvings: number, self: boolean, text: boolean): void {
    const { temporal, context_width, feed_forward_mult } = this.#config;
    const { frames } = this.#size;
    const width = this.#widths[level]!;
    const pixels = this.#pixels(halvings);
    if (self || text) {
      const keys = (self ? pixels / frames : 0) + (text ? this.#tokens : 0);
      const products = (self ? 4 : 2) + 2 * feed_forward_mult;
      this.#sum += pixels * width * (products * width + 2 * keys);
      if (text) this.#sum += 2 * this.#tokens * context_width * width;
    }
    if (temporal === "attention" || temporal === "both") {
      this.#sum += pixels * width * (4 * width + 2 * frames);
    }
    if (temporal === "convolution" || temporal === "both") {
      this.#sum += 2 * pixels * 3 * width * width;
    }
  }
}
