/** What a data set is, and the specifications from which threads open one. */

import { invalidArgument } from "../core/errors.js";
import type { ImageSource, RawImage } from "../media/image.js";
import { openCoco } from "./coco.js";
import { openFolder } from "./folder.js";
import { openJsonLines } from "./jsonl.js";
import { type Entry, Listed } from "./listed.js";
import { openModule } from "./module.js";
import { ShapesDataset, type ShapesSource } from "./shapes.js";
import type { SplitOptions } from "./split.js";

/** `[x0, y0, x1, y1]` in pixels of the picture; the lower right corner is outside. */
export type SampleBox = readonly [x0: number, y0: number, x1: number, y1: number];

/** One example, before and between transforms. */
export interface Sample {
  /** Where it comes from, for messages: a path, or what else tells it. */
  readonly name: string;
  /** The picture, or the frames of a clip, all of one size. */
  images?: readonly ImageSource[] | undefined;
  /** A video whose frames are read when it is decoded. */
  video?: string | undefined;
  /** Indices into the names of the data set. */
  labels?: readonly number[] | undefined;
  /** One for each object, with its label in {@link boxLabels}. */
  boxes?: readonly SampleBox[] | undefined;
  boxLabels?: readonly number[] | undefined;
  captions?: readonly string[] | undefined;
  /** Of a clip: captions that hold of each frame by itself. Default: as {@link captions}. */
  frameCaptions?: readonly string[] | undefined;
  /** What becomes of it in a batch. */
  arrays?: Record<string, SampleArray> | undefined;
}

/** Numbers of one sample, row by row; a batch stacks them. */
export interface SampleArray {
  data: Float32Array | BigInt64Array | Int32Array | Uint8Array;
  shape: readonly number[];
}

/** What transforms are given after `decode`. */
export type DecodedSample = Omit<Sample, "images"> & { images: readonly RawImage[] };

/** Examples by index, in any order. */
export interface Dataset {
  /** `Infinity` for one without end. */
  readonly length: number;
  /** Names of labels, where there are any. */
  readonly labels?: readonly string[] | undefined;
  /** The example at an index, a new object each time. What it throws makes it a bad sample. */
  sample(index: number): Sample | Promise<Sample>;
}

/** Pictures in folders named after their classes, or without classes in one folder. */
export interface FolderSource extends SplitOptions {
  kind: "folder";
  folder: string;
}

/** COCO's JSON (instances or captions), and the folder that its pictures lie in. */
export interface CocoSource extends SplitOptions {
  kind: "coco";
  file: string;
  /** Default: the folder of the file. */
  images?: string | undefined;
}

/** A JSON object a line: `image` or `video`, and `caption`, `label`, `labels` or `boxes`. */
export interface JsonLinesSource extends SplitOptions {
  kind: "jsonl";
  file: string;
}

/** A data set or a transform of the user's own: a module that threads can import. */
export interface ModuleSource {
  kind: "module";
  /** Of the file, as `import.meta.resolve` or `new URL("./mine.js", import.meta.url)` gives it. */
  url: string | URL;
  /** The export, a function that makes it of `options`. Default `default`. */
  name?: string | undefined;
  /** Whatever the structured clone algorithm can copy. */
  options?: unknown;
}

/** A list that the program has made or read itself. */
export interface ListedSource {
  kind: "listed";
  entries: readonly Entry[];
  labels?: readonly string[] | undefined;
}

/** From which a data set is opened, in any thread. */
export type DatasetSource =
  | FolderSource
  | CocoSource
  | JsonLinesSource
  | ShapesSource
  | ModuleSource
  | ListedSource;

/**
 * Opens a data set.
 *
 * @throws `NOT_FOUND` for what is not there, `BAD_INPUT` for what cannot be read or is empty
 */
export async function openDataset(source: DatasetSource): Promise<Dataset> {
  switch (source.kind) {
    case "folder":
      return await openFolder(source);
    case "coco":
      return await openCoco(source);
    case "jsonl":
      return await openJsonLines(source);
    case "shapesworld":
      return new ShapesDataset(source);
    case "module":
      return await openModule(source);
    case "listed":
      return openList(source);
    default: {
      const { kind } = source as { kind: unknown };
      throw invalidArgument("kind", "folder, coco, jsonl, listed, shapesworld or module", kind);
    }
  }
}

function openList({ entries, labels }: ListedSource): Listed {
  if (Array.isArray(entries) && entries.length > 0) return new Listed(entries, labels);
  throw invalidArgument("entries", "a list of at least one", entries);
}

/** @internal From which other threads open the same: lists as they are, all else by its source. */
export function sourceForThreads(source: DatasetSource, opened: Dataset): DatasetSource {
  if (opened instanceof Listed) {
    return { kind: "listed", entries: opened.entries, labels: opened.labels };
  }
  return source.kind === "module" ? { ...source, url: String(source.url) } : source;
}
