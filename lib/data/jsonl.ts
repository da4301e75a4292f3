/** JSON lines as a data set. */
import { open } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { invalidArgument, TorchsightError } from "../core/errors.js";
import { requireFile } from "../media/paths.js";
import type { JsonLinesSource, SampleBox } from "./dataset.js";
import { type Entry, Listed } from "./listed.js";
import { splitter } from "./split.js";

type Label = string | number;

/** A line, checked, with labels as they stand there. */
interface Line {
  path: string;
  video: boolean;
  captions?: string[];
  labels?: Label[];
  objects?: { box: SampleBox; label: Label }[];
}

/**
 * A file with a JSON object a line: `image` or `video`, a path from the file's folder on, and what
 * is known of it: `caption` or `captions`, texts; `label` or `labels`, names or whole numbers;
 * `objects`, a list of `{"box": [x0, y0, x1, y1], "label": …}` in pixels, whose labels count as the
 * picture's. Other fields and empty lines are passed over. Names become indices in the order of
 * their code units; whole numbers stay what they are.
 *
 * @throws `NOT_FOUND` for no file, `BAD_INPUT` with the number of the line for what does not fit
 */
export async function openJsonLines(source: JsonLinesSource): Promise<Listed> {
  const { file } = source;
  await requireFile(file, "JSON lines");
  const taken = splitter(source);
  const lines: Line[] = [];
  await using handle = await open(file);
  let number = 0;
  for await (const text of handle.readLines()) {
    number += 1;
    if (text.trim() !== "") lines.push(lineOf(text, `line ${number} of ${file}`));
  }
  const labels = vocabulary(lines, file);
  const indices = new Map(labels?.map((label, index) => [label, index]));
  const indexOf = (label: Label) => (typeof label === "number" ? label : indices.get(label)!);
  const folder = dirname(file);
  const entries = lines
    .filter(({ path }) => taken(path))
    .map((line) => entryOf(line, folder, indexOf));
  if (entries.length === 0) throw invalidArgument(file, "at least one line", number);
  return new Listed(entries, labels);
}

function entryOf(line: Line, folder: string, indexOf: (label: Label) => number): Entry {
  const { path, video, captions, objects } = line;
  const all = [...(line.labels ?? []), ...(objects ?? []).map(({ label }) => label)].map(indexOf);
  return {
    file: resolve(folder, path),
    ...(video && { video }),
    ...(captions && { captions }),
    ...((line.labels || objects) && { labels: [...new Set(all)].sort((a, b) => a - b) }),
    ...(objects && {
      boxes: objects.map(({ box }) => box),
      boxLabels: objects.map(({ label }) => indexOf(label)),
    }),
  };
}

/** The names of all labels; where they are numbers, those from 0 on. */
function vocabulary(lines: readonly Line[], file: string): string[] | undefined {
  const found = new Set<Label>();
  for (const { labels = [], objects = [] } of lines) {
    for (const label of labels) found.add(label);
    for (const { label } of objects) found.add(label);
  }
  if (found.size === 0) return undefined;
  const numbers = [...found].filter((label) => typeof label === "number");
  if (numbers.length === 0) return ([...found] as string[]).sort();
  if (numbers.length < found.size) {
    throw invalidArgument(`the labels of ${file}`, "either names or numbers", [...found]);
  }
  const most = numbers.reduce((a, b) => Math.max(a, b));
  return Array.from({ length: most + 1 }, (_, index) => String(index));
}

function lineOf(text: string, where: string): Line {
  let value: Record<string, unknown>;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    const message = `expected a JSON object in ${where}: ${(cause as Error).message}`;
    throw new TorchsightError("BAD_INPUT", message, { cause });
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw invalidArgument(where, "a JSON object", value);
  }
  const { image, video, caption, captions, label, labels, objects } = value;
  const path = image ?? video;
  if (typeof path !== "string" || path === "" || (image !== undefined && video !== undefined)) {
    throw invalidArgument(`image or video in ${where}`, "one path", path);
  }
  const field = <T>(name: string, one: unknown, many: unknown, check: Check<T>) =>
    manyOf(`${name} in ${where}`, one, many, check);
  return {
    path,
    video: image === undefined,
    ...field("captions", caption, captions, textOf),
    ...field("labels", label, labels, labelOf),
    ...field("objects", undefined, objects, objectOf),
  };
}

type Check<T> = (name: string, value: unknown) => T;

/** One value or a list of them, under the last word of `name`. */
function manyOf<T>(name: string, one: unknown, many: unknown, check: Check<T>) {
  if (one === undefined && many === undefined) return {};
  if (one !== undefined && many !== undefined) {
    throw invalidArgument(name, "either one or a list", { one, many });
  }
  const list = one === undefined ? many : [one];
  if (!Array.isArray(list)) throw invalidArgument(name, "a list", many);
  return { [name.split(" ")[0]!]: list.map((value) => check(name, value)) };
}

function textOf(name: string, value: unknown): string {
  if (typeof value === "string") return value;
  throw invalidArgument(name, "a text", value);
}

/** Labels that can be counted up to. */
const MOST_LABEL = 2 ** 24;

function labelOf(name: string, value: unknown): Label {
  if (typeof value === "string" && value !== "") return value;
  const number = value as number;
  if (Number.isSafeInteger(value) && number >= 0 && number < MOST_LABEL) return number;
  throw invalidArgument(name, `a name or a whole number below ${MOST_LABEL}`, value);
}

function objectOf(name: string, value: unknown): { box: SampleBox; label: Label } {
  const { box, label } = (value ?? {}) as Record<string, unknown>;
  const corners = Array.isArray(box) && box.length === 4 && box.every(Number.isFinite);
  if (!corners || box[2] < box[0] || box[3] < box[1]) {
    throw invalidArgument(`a box of ${name}`, "[x0, y0, x1, y1] in pixels", box);
  }
  return { box: box as unknown as SampleBox, label: labelOf(`a label of ${name}`, label) };
}
