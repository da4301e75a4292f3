/** Data sets that are lists: folders, COCO's JSON and JSON lines. */
import { invalidArgument } from "../core/errors.js";
import type { Dataset, Sample } from "./dataset.js";

/** What a list knows of a picture or video. */
export type Entry = Pick<Sample, "labels" | "boxes" | "boxLabels" | "captions"> & {
  /** The file. */
  readonly file: string;
  readonly video?: boolean | undefined;
};

/** Pictures and videos of a list. */
export class Listed implements Dataset {
  constructor(
    readonly entries: readonly Entry[],
    readonly labels?: readonly string[] | undefined,
  ) {}

  get length(): number {
    return this.entries.length;
  }

  sample(index: number): Sample {
    const entry = this.entries[index];
    if (!entry) throw invalidArgument("index", `a whole number below ${this.length}`, index);
    const { file, video, ...known } = entry;
    return { name: file, ...known, ...(video ? { video: file } : { images: [file] }) };
  }
}
