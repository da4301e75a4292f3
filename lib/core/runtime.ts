import { join } from "node:path";
import type { Addon } from "../native/addon.js";
import { addon, nativePaths } from "../native/load.js";
import { listener } from "./dispatcher.js";
import { isErrorCode, TorchsightError } from "./errors.js";

let ready: Addon | undefined;

/** The addon of this environment, loaded and told of its listener at first use. */
export function native(): Addon {
  ready ??= connect();
  return ready;
}

function connect(): Addon {
  const loaded = addon();
  const { worker, libtorch } = nativePaths();
  loaded.initialize(listener, worker, join(libtorch.path, "lib"));
  return loaded;
}

/** What was thrown across the boundary, as the package's own error with the stack of the call. */
export function fromNative(error: unknown): unknown {
  if (error instanceof TorchsightError || !(error instanceof Error)) return error;
  const { code, reason, retryAfter } = error as {
    code?: unknown;
    reason?: string;
    retryAfter?: number;
  };
  if (!isErrorCode(code)) return error;
  const own = new TorchsightError(code, error.message, { reason, retryAfter });
  if (error.stack !== undefined) own.stack = error.stack.replace(/^\w+/, own.name);
  return own;
}

/** Calls the addon; what it throws becomes the package's own error. */
export function callNative<T>(work: (addon: Addon) => T): T {
  try {
    return work(native());
  } catch (error) {
    throw fromNative(error);
  }
}
