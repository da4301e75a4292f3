/** COCO's and LVIS's JSON: annotations and detection results, in and out of files. */
import { createWriteStream } from "node:fs";
import { readFile } from "node:fs/promises";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { TorchsightError } from "../core/errors.js";
import { checkCocoDataset, checkCocoResults, checkLvisDataset } from "./checks.js";

/** `[x, y, width, height]` in pixels of the picture; x and y are the upper left corner. */
export type CocoBox = readonly [x: number, y: number, width: number, height: number];

export interface CocoImage {
  id: number;
  width?: number;
  height?: number;
  file_name?: string;
}

export interface CocoCategory {
  id: number;
  name: string;
  supercategory?: string;
}

/** One object of one picture. */
export interface CocoAnnotation {
  id: number;
  image_id: number;
  category_id: number;
  bbox: CocoBox;
  /** Square pixels of the object's mask; those of its box where it is left out. */
  area?: number;
  /** Whether the box holds many objects that are not told apart. COCO only. */
  iscrowd?: 0 | 1 | boolean;
  /** Whether the object is neither to be found nor a mistake to find. LVIS only. */
  ignore?: 0 | 1 | boolean;
}

/** The contents of an annotation file such as COCO's `instances_val2017.json`. */
export interface CocoDataset {
  images: readonly CocoImage[];
  categories: readonly CocoCategory[];
  annotations: readonly CocoAnnotation[];
}

/** A picture of LVIS, in which only some of the categories are annotated. */
export interface LvisImage extends CocoImage {
  /** Categories that are known to be absent. */
  neg_category_ids: readonly number[];
  /** Categories of which not every object is annotated. */
  not_exhaustive_category_ids: readonly number[];
}

export interface LvisCategory extends CocoCategory {
  /** Rare, common or frequent: in at most 10, at most 100 or more pictures of the training set. */
  frequency: "r" | "c" | "f";
}

/** The contents of an annotation file such as `lvis_v1_val.json`. */
export interface LvisDataset extends CocoDataset {
  images: readonly LvisImage[];
  categories: readonly LvisCategory[];
}

/** One detection, as the evaluation servers and pycocotools take it. */
export interface CocoResult {
  image_id: number;
  category_id: number;
  bbox: CocoBox;
  score: number;
}

/**
 * Reads and checks annotations in COCO's format. Throws `NOT_FOUND` for a missing file, and
 * `BAD_INPUT` with the row and the field for one that does not fit.
 */
export async function readCocoDataset(path: string): Promise<CocoDataset> {
  return checkCocoDataset(await readJson(path), path);
}

/** Reads and checks annotations in LVIS's format; throws as {@link readCocoDataset}. */
export async function readLvisDataset(path: string): Promise<LvisDataset> {
  return checkLvisDataset(await readJson(path), path);
}

/** Reads and checks a file of results, of either format; throws as {@link readCocoDataset}. */
export async function readCocoResults(path: string): Promise<CocoResult[]> {
  return checkCocoResults(await readJson(path), path);
}

/** Writes results as one JSON list, a detection a line. Throws `BAD_INPUT` where that fails. */
export async function writeCocoResults(
  path: string,
  results: readonly CocoResult[],
): Promise<void> {
  try {
    // Line by line, since the results of a whole data set can exceed the longest string.
    await pipeline(Readable.from(linesOf(results)), createWriteStream(path));
  } catch (error) {
    throw unusable("a file that can be written", path, error);
  }
}

function* linesOf(results: readonly CocoResult[]): Generator<string> {
  yield "[";
  for (const [index, result] of results.entries()) {
    yield `${index === 0 ? "\n" : ",\n"}${JSON.stringify(result)}`;
  }
  yield "\n]\n";
}

/** @internal The value of a JSON file. */
export async function readJson(path: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(path, "utf8"));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") {
      throw new TorchsightError("NOT_FOUND", `there is no file ${path}`, { cause: error });
    }
    throw unusable("a JSON file", path, error);
  }
}

function unusable(expected: string, path: string, cause: unknown): TorchsightError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new TorchsightError("BAD_INPUT", `expected ${expected} for ${path}: ${why}`, { cause });
}
