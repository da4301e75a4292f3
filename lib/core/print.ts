import { DTYPES, type DType } from "./dtype.js";
import { type ElementReader, elementReader } from "./elements.js";
import { ops } from "./ops.js";
import { formatOf, type NumberFormat } from "./print-number.js";
import { readBytesNow } from "./read.js";
import { noGrad, tidy } from "./scope.js";
import type { Tensor } from "./tensor.js";

/** Tensors of more elements are summarised. */
const THRESHOLD = 1000;

/** Entries shown at both ends of a summarised dimension. */
const EDGE = 3;

const LINE_WIDTH = 80;
const PREFIX = "tensor(";

/** `tensor` as PyTorch prints it. */
export function format(tensor: Tensor): string {
  const { dtype, device, shape, numel, requiresGrad, gradFn } = tensor;
  const suffixes: string[] = [];
  if (device !== "cpu") suffixes.push(`device='${device}'`);
  const hidden = device === "meta";
  const size = `size=(${shape.join(", ")}${shape.length === 1 ? "," : ""})`;
  if (hidden || (numel === 0 && shape.length !== 1)) suffixes.push(size);
  const usual: readonly DType[] =
    hidden || numel === 0 ? ["float32"] : ["float32", "complex64", "int64", "bool"];
  if (!usual.includes(dtype)) suffixes.push(`dtype=torch.${dtype}`);
  if (gradFn !== null) suffixes.push(`grad_fn=<${gradFn}>`);
  else if (requiresGrad) suffixes.push("requires_grad=True");
  const body = hidden ? "..." : numel === 0 ? "[]" : elementsText(tensor, numel > THRESHOLD);
  return withSuffixes(PREFIX + body, suffixes);
}

function withSuffixes(text: string, suffixes: readonly string[]): string {
  let result = text;
  let width = text.length - text.lastIndexOf("\n") + 1;
  for (const suffix of suffixes) {
    if (width + suffix.length + 2 > LINE_WIDTH) {
      result += `,\n${" ".repeat(PREFIX.length)}${suffix}`;
      width = PREFIX.length + suffix.length;
    } else {
      result += `, ${suffix}`;
      width += suffix.length + 2;
    }
  }
  return `${result})`;
}

/** Writes one element, whatever its kind. */
interface ElementFormat {
  width: number;
  text(value: ReturnType<ElementReader>): string;
}

function elementsText(tensor: Tensor, summarised: boolean): string {
  const { dtype, shape } = tensor;
  const shown = shape.map((size) => (summarised ? Math.min(size, 2 * EDGE) : size));
  const bytes = tidy(() => noGrad(() => readBytesNow(edges(tensor, shape, shown))));
  const read = elementReader(dtype, bytes);
  const count = shown.reduce((product, size) => product * size, 1);
  const elements = Array.from({ length: count }, (_, index) => read(index));
  const format = elementFormat(dtype, elements);
  let next = 0;
  const level = (dim: number, indent: number): string => {
    const size = shown[dim];
    if (size === undefined) return format.text(elements[next++] as ElementValue);
    const cut = size < (shape[dim] as number);
    const last = dim === shown.length - 1;
    const parts = Array.from({ length: size }, () => level(dim + 1, indent + 1));
    if (cut) parts.splice(EDGE, 0, last ? " ..." : "...");
    return last
      ? line(parts, indent, format.width)
      : `[${parts.join(`,${"\n".repeat(shape.length - dim - 1)}${" ".repeat(indent + 1)}`)}]`;
  };
  return level(0, PREFIX.length);
}

type ElementValue = ReturnType<ElementReader>;

/** A tensor of only those entries that are shown. */
function edges(tensor: Tensor, shape: readonly number[], shown: readonly number[]): Tensor {
  return shape.reduce<Tensor>((part, size, dim) => {
    if (shown[dim] === size) return part;
    const ends = [ops.narrow(part, dim, 0, EDGE), ops.narrow(part, dim, size - EDGE, EDGE)];
    return ops.cat(ends, dim);
  }, tensor);
}

/** One innermost row, broken into lines. */
function line(parts: readonly string[], indent: number, width: number): string {
  const perLine = Math.max(1, Math.floor((LINE_WIDTH - indent) / (width + 2)));
  const lines: string[] = [];
  for (let at = 0; at < parts.length; at += perLine) {
    lines.push(parts.slice(at, at + perLine).join(", "));
  }
  return `[${lines.join(`,\n${" ".repeat(indent + 1)}`)}]`;
}

function elementFormat(dtype: DType, elements: readonly ElementValue[]): ElementFormat {
  const { kind } = DTYPES[dtype];
  if (kind === "complex") {
    const numbers = elements as readonly { re: number; im: number }[];
    return complexFormat(
      formatOf(numbers.map(({ re }) => re)),
      formatOf(numbers.map(({ im }) => im)),
    );
  }
  if (kind === "float") {
    const format = formatOf(elements as readonly number[]);
    return { width: format.width, text: (value) => format.text(value as number) };
  }
  const texts = elements.map(wholeText);
  const width = texts.reduce((most, text) => Math.max(most, text.length), 1);
  return { width, text: (value) => wholeText(value).padStart(width) };
}

function wholeText(value: ElementValue): string {
  if (typeof value === "boolean") return value ? "True" : "False";
  return String(value);
}

function complexFormat(real: NumberFormat, imaginary: NumberFormat): ElementFormat {
  return {
    // The imaginary part is followed by its letter.
    width: real.width + imaginary.width + 1,
    text: (value) => {
      const { re, im } = value as { re: number; im: number };
      const tail = `${imaginary.text(im)}j`.trimStart();
      return `${real.text(re)}${/^[+-]/.test(tail) ? "" : "+"}${tail}`;
    },
  };
}
