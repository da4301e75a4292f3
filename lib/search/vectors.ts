/** Vectors as users give them, brought to unit length. */
import { invalidArgument, TorchsightError } from "../core/errors.js";
import { tidy } from "../core/scope.js";
import { Tensor } from "../core/tensor.js";

/** A vector: numbers, or a tensor [E] or [1, E] of any dtype on any device. */
export type Embedding = Tensor | ArrayLike<number>;

/** A vector at unit length. Throws `BAD_INPUT` and `SHAPE`. */
export async function vectorOf(embedding: Embedding, name: string): Promise<Float32Array> {
  if (!(embedding instanceof Tensor)) return normalised(numbersOf(embedding, name), () => name);
  const { shape } = embedding;
  if (shape.length !== 1 && !(shape.length === 2 && shape[0] === 1)) {
    const message = `expected one vector for ${name} but received shape [${shape.join(", ")}]`;
    throw new TorchsightError("SHAPE", message);
  }
  return normalised(await dataOf(embedding), () => name);
}

/** A vector for each name, one after another, at unit length. Throws `BAD_INPUT` and `SHAPE`. */
export async function rowsOf(
  embeddings: Tensor | readonly Embedding[],
  names: readonly string[],
): Promise<{ rows: Float32Array; width: number }> {
  const nameOf = (row: number) => `the embedding of ${names[row]}`;
  if (embeddings instanceof Tensor) {
    const [count, width, ...more] = embeddings.shape;
    if (count !== names.length || width === undefined || more.length > 0) {
      const message =
        `expected shape [${names.length}, E] for the embeddings but received ` +
        `[${embeddings.shape.join(", ")}]`;
      throw new TorchsightError("SHAPE", message);
    }
    return { rows: normalised(await dataOf(embeddings), nameOf, count), width };
  }
  if (!Array.isArray(embeddings) || embeddings.length !== names.length) {
    throw invalidArgument("the embeddings", `one for each of ${names.length} names`, embeddings);
  }
  const list: Float32Array[] = [];
  for (const [row, one] of embeddings.entries()) list.push(await vectorOf(one, nameOf(row)));
  const width = list[0]?.length ?? 0;
  const rows = new Float32Array(list.length * width);
  for (const [row, one] of list.entries()) {
    if (one.length !== width) throw invalidArgument(nameOf(row), `${width} numbers`, one.length);
    rows.set(one, row * width);
  }
  return { rows, width };
}

/** `count` rows, each divided by its length. */
function normalised(
  numbers: Float32Array,
  nameOf: (row: number) => string,
  count = 1,
): Float32Array {
  const width = numbers.length / count;
  for (let row = 0; row < count; row += 1) {
    const start = row * width;
    const length = lengthOf(numbers, start, width);
    if (!(length > 0 && Number.isFinite(length))) {
      throw invalidArgument(nameOf(row), "finite numbers, not all of them 0,", length);
    }
    for (let at = start; at < start + width; at += 1) numbers[at]! /= length;
  }
  return numbers;
}

/** The length of one row. */
export function lengthOf(numbers: Float32Array, start: number, width: number): number {
  let sum = 0;
  for (let at = start; at < start + width; at += 1) sum += numbers[at]! ** 2;
  return Math.sqrt(sum);
}

function numbersOf(embedding: ArrayLike<number>, name: string): Float32Array {
  const listed = Array.isArray(embedding) || ArrayBuffer.isView(embedding);
  if (!listed || typeof (embedding as ArrayLike<number>).length !== "number") {
    throw invalidArgument(name, "numbers or a tensor", embedding);
  }
  return Float32Array.from(embedding as ArrayLike<number>, Number);
}

/** A copy of all numbers of a tensor. */
async function dataOf(embedding: Tensor): Promise<Float32Array> {
  return await tidy(async () => Float32Array.from(await embedding.to("float32").data()));
}
