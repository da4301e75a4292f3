/**
 * Every code an error of this package can carry. Codes are stable: programs may branch on them.
 * `docs/errors.md` explains each.
 */
export const ERROR_CODES = [
  "USAGE",
  "NOT_FOUND",
  "BAD_CHECKPOINT",
  "BAD_CONFIG",
  "BAD_INPUT",
  "SHAPE",
  "DTYPE",
  "UNSUPPORTED",
  "CANCELLED",
  "DEADLINE",
  "QUEUE_FULL",
  "OUT_OF_MEMORY",
  "RANK_FAILED",
  "COLLECTIVE_TIMEOUT",
  "RENDEZVOUS",
  "LIBTORCH",
  "DISPOSED",
  "TENSOR_BUSY",
  "WORKER_FAILED",
  "DIVERGED",
  "INTERNAL",
] as const;

/** One of {@link ERROR_CODES}. */
export type ErrorCode = (typeof ERROR_CODES)[number];

/** What refines an error beyond its code and message. */
export interface TorchsightErrorOptions extends ErrorOptions {
  /** Refines the code where one code covers many cases, e.g. `HEADER_TOO_LARGE`. */
  reason?: string | undefined;
  /** Milliseconds after which a refused job may be tried again. */
  retryAfter?: number | undefined;
}

/**
 * The one error class of this package, with a stable {@link code}.
 *
 * @example
 * ```ts
 * try {
 *   await load("model");
 * } catch (error) {
 *   if (error instanceof TorchsightError && error.code === "NOT_FOUND") console.error("no model");
 *   else throw error;
 * }
 * ```
 */
export class TorchsightError extends Error {
  override readonly name = "TorchsightError";
  readonly code: ErrorCode;
  // Declared only: without a value, the property is not there at all.
  declare readonly reason?: string;
  declare readonly retryAfter?: number;

  constructor(code: ErrorCode, message: string, options: TorchsightErrorOptions = {}) {
    const { reason, retryAfter, ...rest } = options;
    super(message, rest);
    this.code = code;
    if (reason !== undefined) this.reason = reason;
    if (retryAfter !== undefined) this.retryAfter = retryAfter;
  }
}

/** Whether `value` is the name of an error code. */
export function isErrorCode(value: unknown): value is ErrorCode {
  return (ERROR_CODES as readonly unknown[]).includes(value);
}

/** The error for a misused argument: "expected X for NAME but received VALUE of type T". */
export function invalidArgument(name: string, expected: string, actual: unknown): TorchsightError {
  const message = `expected ${expected} for ${name} but received ${describeValue(actual)}`;
  return new TorchsightError("BAD_INPUT", message);
}

/** `value` as messages show it: short, and followed by its type. */
export function describeValue(value: unknown): string {
  return `${shorten(preview(value))} of type ${typeName(value)}`;
}

function preview(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value);
  if (typeof value === "function") return value.name || "a function";
  if (typeof value === "bigint") return `${value}n`;
  if (typeof value !== "object" || value === null) return String(value);
  if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`;
  try {
    return JSON.stringify(value) ?? "an object";
  } catch {
    // Cycles and bigints inside cannot be shown; the type must do.
    return "an object";
  }
}

function typeName(value: unknown): string {
  if (value === null) return "null";
  if (typeof value !== "object") return typeof value;
  return (Object.getPrototypeOf(value)?.constructor?.name as string | undefined) || "object";
}

function shorten(text: string): string {
  return text.length > 80 ? `${text.slice(0, 77)}…` : text;
}
