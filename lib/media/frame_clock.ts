/** Which frames ffmpeg gives, and when they are shown. */

/** Where a frame is in its video. */
export interface FrameTime {
  /** Its place among all frames, from 0. */
  index: number;
  /** Seconds from the video's beginning. */
  time: number;
}

/** Parts of a frame's duration by which its time may be off by rounding. */
const SLACK = 0.001;

const MICROSECONDS = 1e6;

/**
 * Chooses frames and reads their times from what ffmpeg says about them on stderr.
 *
 * The pictures come through another pipe, in the same order. Times are those of the container in
 * microseconds, so they are right also where frames come at no fixed rate.
 */
export class FrameClock {
  /** The chain of filters for ffmpeg. */
  readonly filters: string;
  readonly #every: number;
  readonly #chosenFilter: string;
  /** Times of frames before the choice, the first of them that of frame `#index`. */
  readonly #seen: number[] = [];
  #index = 0;
  #time = 0;
  #origin: number | undefined;
  readonly #chosen: FrameTime[] = [];
  #ended = false;
  #wake: () => void = () => {};

  constructor({ every = 1, fps }: { every?: number | undefined; fps?: number | undefined }) {
    this.#every = every;
    const chain = ["settb=AVTB"];
    if (fps !== undefined) {
      const tick = (time: string) => `floor(${time}*${fps}+${SLACK})`;
      const isNext = `gt(${tick("t")},${tick("prev_selected_t")})`;
      chain.push("showinfo", `select='isnan(prev_selected_t)+${isNext}'`);
    } else if (every > 1) {
      chain.push(`select='not(mod(n,${every}))'`);
    }
    // ffmpeg names filters by their place in the chain.
    this.#chosenFilter = String(chain.length);
    this.filters = [...chain, "showinfo"].join(",");
  }

  /** Takes a line of ffmpeg's stderr, which may be about anything. */
  read(line: string): void {
    const said = /Parsed_showinfo_(\d+) @ [^\]]*\] n: *\d+ pts: *(-?\d+|NOPTS)/.exec(line);
    if (!said) return;
    const [, filter, pts] = said;
    const stamp = Number(pts);
    if (filter !== this.#chosenFilter) {
      this.#seen.push(stamp);
      return;
    }
    this.#chosen.push({ index: this.#indexOf(stamp), time: this.#timeOf(stamp) });
    this.#wake();
  }

  /** No more lines come. */
  end(): void {
    this.#ended = true;
    this.#wake();
  }

  /** The next frame's place and time; nothing where ffmpeg ended before it. */
  async next(): Promise<FrameTime | undefined> {
    while (this.#chosen.length === 0 && !this.#ended) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return this.#chosen.shift();
  }

  #indexOf(stamp: number): number {
    // Frames before this one were seen and not chosen. Without `fps` none are told of.
    const passed = this.#seen.findIndex((seen) => Object.is(seen, stamp));
    const index = this.#index + Math.max(0, passed);
    this.#seen.splice(0, passed + 1);
    this.#index = index + this.#every;
    return index;
  }

  /** Seconds. A frame without a time keeps that of the one before. */
  #timeOf(stamp: number): number {
    if (Number.isNaN(stamp)) return this.#time;
    // Raw streams have no times; those that ffmpeg makes up may begin below 0.
    this.#origin ??= Math.min(0, stamp);
    this.#time = (stamp - this.#origin) / MICROSECONDS;
    return this.#time;
  }
}
