/** COCO's JSON as a data set. */
import { dirname, resolve } from "node:path";
import { invalidArgument } from "../core/errors.js";
import { checkCocoDataset } from "../eval/checks.js";
import { type CocoAnnotation, type CocoBox, type CocoDataset, readJson } from "../eval/coco.js";
import type { CocoSource, SampleBox } from "./dataset.js";
import { type Entry, Listed } from "./listed.js";
import { splitter } from "./split.js";

interface CocoCaption {
  image_id: number;
  caption: string;
}

/**
 * Annotations of instances or captions in COCO's format. Labels are the categories by id, each
 * picture's those of its objects; boxes are those of single objects, not of crowds. Pictures
 * without annotations are samples as well.
 *
 * @throws `NOT_FOUND` for no file, `BAD_INPUT` with row and field for what does not fit
 */
export async function openCoco(source: CocoSource): Promise<Listed> {
  const { file, images: folder = dirname(file) } = source;
  const value = await readJson(file);
  const captions = captionsOf(value, file);
  const { images, categories, annotations } = captions
    ? { ...(value as CocoDataset), categories: [], annotations: [] }
    : checkCocoDataset(value, file);
  const taken = splitter(source);
  const told = groups<CocoAnnotation | CocoCaption>(captions ?? annotations);
  const sorted = [...categories].sort((a, b) => a.id - b.id);
  const indices = new Map(sorted.map(({ id }, at) => [id, at]));
  const entries: Entry[] = [];
  for (const [row, { id, file_name: name }] of images.entries()) {
    if (typeof name !== "string" || name === "") {
      throw invalidArgument(`images[${row}].file_name of ${file}`, "the name of a file", name);
    }
    if (!taken(name)) continue;
    const own = told.get(id) ?? [];
    const known = captions
      ? { captions: (own as CocoCaption[]).map(({ caption }) => caption) }
      : objectsOf(own as CocoAnnotation[], indices);
    entries.push({ file: resolve(folder, name), ...known });
  }
  if (entries.length === 0) throw invalidArgument(`images of ${file}`, "at least one", entries);
  return new Listed(entries, captions ? undefined : sorted.map(({ name }) => name));
}

/** The captions of a file that has captions; nothing of one that has categories. */
function captionsOf(value: unknown, file: string): CocoCaption[] | undefined {
  const { categories, annotations, images } = (value ?? {}) as Record<string, unknown>;
  if (categories !== undefined || !Array.isArray(annotations)) return undefined;
  if (!Array.isArray(images)) throw invalidArgument(`images of ${file}`, "a list", images);
  const ids = new Set<unknown>();
  for (const [row, image] of images.entries()) {
    const id = image?.id;
    if (!Number.isSafeInteger(id) || ids.size === ids.add(id).size) {
      throw invalidArgument(`images[${row}].id of ${file}`, "an id of its own", id);
    }
  }
  for (const [row, annotation] of annotations.entries()) {
    const { image_id, caption } = annotation ?? {};
    if (!ids.has(image_id)) {
      const name = `annotations[${row}].image_id of ${file}`;
      throw invalidArgument(name, "the id of one of the images", image_id);
    }
    if (typeof caption !== "string") {
      throw invalidArgument(`annotations[${row}].caption of ${file}`, "a text", caption);
    }
  }
  return annotations as CocoCaption[];
}

function groups<T extends { image_id: number }>(annotations: readonly T[]): Map<number, T[]> {
  const told = new Map<number, T[]>();
  for (const one of annotations) {
    const own = told.get(one.image_id);
    if (own) own.push(one);
    else told.set(one.image_id, [one]);
  }
  return told;
}

function objectsOf(annotations: readonly CocoAnnotation[], indices: Map<number, number>) {
  const labelOf = (one: CocoAnnotation) => indices.get(one.category_id)!;
  const single = annotations.filter(({ iscrowd }) => !iscrowd);
  return {
    labels: [...new Set(annotations.map(labelOf))].sort((a, b) => a - b),
    boxes: single.map(({ bbox }) => cornersOf(bbox)),
    boxLabels: single.map(labelOf),
  };
}

function cornersOf([x, y, width, height]: CocoBox): SampleBox {
  return [x, y, x + width, y + height];
}
