import type { NativeOverload, NativeValue, OverloadId } from "../native/addon.js";
import { type ArgumentType, argumentType } from "./argument.js";
import { describeValue, TorchsightError } from "./errors.js";
import { isScalar } from "./scalar.js";
import { Tensor } from "./tensor.js";

/** One overload, ready to be matched against arguments. */
export interface Overload {
  readonly id: OverloadId;
  readonly schema: string;
  readonly parameters: readonly Parameter[];
  /** How many parameters can be given by position. */
  readonly positional: number;
  readonly returns: readonly Return[];
  /** Whether the result is one new tensor, which needs no further decoding. */
  readonly plain: boolean;
}

interface Parameter {
  readonly name: string;
  readonly type: ArgumentType;
  readonly required: boolean;
}

interface Return {
  readonly type: ArgumentType;
  /** Index of the parameter that this result is, for in-place and out variants. */
  readonly written: number | undefined;
}

/** A matched call: the overload, the values by parameter, and those values as they cross. */
export interface Bound {
  readonly overload: Overload;
  readonly values: readonly unknown[];
  readonly native: NativeValue[];
}

/** The schema as PyTorch writes it, but for alias sets: `Tensor! self` is written to. */
export function schemaText(operator: string, overload: NativeOverload): string {
  const parts: string[] = [];
  let starred = false;
  for (const argument of overload.arguments) {
    if (argument.keywordOnly && !starred) parts.push("*");
    starred ||= argument.keywordOnly;
    const fallback = "default" in argument ? `=${defaultText(argument.default)}` : "";
    parts.push(`${argument.type}${argument.written ? "!" : ""} ${argument.name}${fallback}`);
  }
  const returns = overload.returns.map(({ type, written, name }) =>
    `${type}${written ? "!" : ""} ${name}`.trim(),
  );
  const name = overload.overload === "" ? operator : `${operator}.${overload.overload}`;
  const result = returns.length === 1 ? returns[0] : `(${returns.join(", ")})`;
  return `${name}(${parts.join(", ")}) -> ${result}`;
}

function defaultText(value: unknown): string {
  if (value === null || value === undefined) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (Array.isArray(value)) return `[${value.map(defaultText).join(", ")}]`;
  if (typeof value === "object") {
    return "float" in value ? String(value.float) : JSON.stringify(value);
  }
  return typeof value === "string" ? JSON.stringify(value) : String(value);
}

/** Prepares one overload for matching. */
export function compile(operator: string, overload: NativeOverload): Overload {
  const writtenTo = overload.arguments.flatMap((argument, index) =>
    argument.written ? [index] : [],
  );
  const returns = overload.returns.map(({ type, written }) => ({
    type: argumentType(type),
    written: written && type === "Tensor" ? writtenTo.shift() : undefined,
  }));
  return {
    id: overload.id,
    schema: schemaText(operator, overload),
    parameters: overload.arguments.map((argument) => ({
      name: argument.name,
      type: argumentType(argument.type),
      required: !("default" in argument),
    })),
    positional: overload.arguments.filter(({ keywordOnly }) => !keywordOnly).length,
    returns,
    plain:
      overload.returns.length === 1 && overload.returns[0]?.type === "Tensor" && !writes(returns),
  };
}

function writes(returns: readonly Return[]): boolean {
  return returns.some(({ written }) => written !== undefined);
}

type Options = Readonly<Record<string, unknown>>;

/** The trailing options of a call, or undefined where the last argument is a value. */
export function optionsOf(args: readonly unknown[]): Options | undefined {
  const last = args.at(-1);
  if (typeof last !== "object" || last === null || isScalar(last)) return undefined;
  const prototype = Object.getPrototypeOf(last);
  return prototype === Object.prototype || prototype === null ? (last as Options) : undefined;
}

/**
 * Finds the first overload that takes the arguments; throws `BAD_INPUT` listing all if none does.
 */
export function resolve(
  operator: string,
  overloads: readonly Overload[],
  positional: readonly unknown[],
  options: Options | undefined,
): Bound {
  for (const overload of overloads) {
    if (!accepts(overload, positional, options)) continue;
    const values = overload.parameters.map((parameter, index) =>
      argumentAt(parameter, index, positional, options),
    );
    return { overload, values, native: toNative(overload, values) };
  }
  throw noMatch(operator, overloads, positional, options);
}

/**
 * Whether the arguments fit. Most overloads that are tried do not, so nothing is allocated here.
 */
function accepts(
  { parameters, positional: limit }: Overload,
  positional: readonly unknown[],
  options: Options | undefined,
): boolean {
  if (positional.length > limit) return false;
  let named = 0;
  for (let index = 0; index < parameters.length; index += 1) {
    const parameter = parameters[index] as Parameter;
    if (options !== undefined && Object.hasOwn(options, parameter.name)) {
      if (index < positional.length && positional[index] !== undefined) return false;
      named += 1;
    }
    const value = argumentAt(parameter, index, positional, options);
    if (value === undefined ? parameter.required : !parameter.type.accepts(value)) return false;
  }
  return options === undefined || named === Object.keys(options).length;
}

function argumentAt(
  { name }: Parameter,
  index: number,
  positional: readonly unknown[],
  options: Options | undefined,
): unknown {
  const value = index < positional.length ? positional[index] : undefined;
  return value === undefined && options !== undefined && Object.hasOwn(options, name)
    ? options[name]
    : value;
}

function toNative({ parameters }: Overload, values: readonly unknown[]): NativeValue[] {
  let count = values.length;
  while (count > 0 && values[count - 1] === undefined) count -= 1;
  const native = new Array<NativeValue>(count);
  for (let index = 0; index < count; index += 1) {
    const value = values[index];
    const { type } = parameters[index] as Parameter;
    native[index] = value === undefined ? undefined : type.toNative(value);
  }
  return native;
}

function noMatch(
  operator: string,
  overloads: readonly Overload[],
  positional: readonly unknown[],
  options: Options | undefined,
): TorchsightError {
  const given = [
    ...positional.map(describeArgument),
    ...Object.entries(options ?? {}).map(([name, value]) => `${name}: ${describeArgument(value)}`),
  ];
  const candidates = overloads.map(({ schema }) => `\n  ${schema}`).join("");
  return new TorchsightError(
    "BAD_INPUT",
    `expected arguments of one of these schemas for ${operator} ` +
      `but received (${given.join(", ")}):${candidates}`,
  );
}

function describeArgument(value: unknown): string {
  if (!(value instanceof Tensor)) return describeValue(value);
  return value.disposed ? "a disposed tensor" : `a ${value.dtype} tensor of shape [${value.shape}]`;
}

/** The tensors that an in-place or out variant gives back are the ones it was given. */
export function decodeResults(
  bound: Bound,
  result: NativeValue,
  free: (tensor: number) => void,
): unknown {
  const { returns } = bound.overload;
  if (returns.length === 0) return undefined;
  if (returns.length === 1) return decode(returns[0] as Return, bound.values, result, free);
  const results = result as NativeValue[];
  return returns.map((type, index) => decode(type, bound.values, results[index], free));
}

function decode(
  { type, written }: Return,
  values: readonly unknown[],
  result: NativeValue,
  free: (tensor: number) => void,
): unknown {
  const given = written === undefined ? undefined : (values[written] as Tensor | undefined);
  if (given === undefined) return type.fromNative(result);
  free(result as number);
  return given;
}
