import { AsyncLocalStorage } from "node:async_hooks";
import { native } from "./runtime.js";

/** What a scope frees when it ends. */
export interface Disposable {
  dispose(): void;
}

interface Scope {
  readonly parent: Scope | undefined;
  /** Whether operators called in this scope record gradients. */
  readonly grad: boolean;
  /** What was made in this scope and is freed with it; only tidy scopes have one. */
  readonly owned: Set<Disposable> | undefined;
  ended: boolean;
}

const storage = new AsyncLocalStorage<Scope | undefined>();

/** Scopes that have not ended. While it is 0, nothing needs to ask the storage, which is slow. */
let open = 0;

/** The gradient mode that the native side of this thread is in. */
let nativeGrad = true;

/** The innermost scope of this asynchronous context that has not ended. */
function current(): Scope | undefined {
  if (open === 0) return undefined;
  let scope = storage.getStore();
  while (scope?.ended) scope = scope.parent;
  return scope;
}

/** Whether operators called now record gradients. */
export function gradEnabled(): boolean {
  return current()?.grad ?? true;
}

/** Brings the native gradient mode in line with the scope. Called before each direct operator. */
export function syncGrad(): void {
  if (open === 0 && nativeGrad) return;
  const wanted = gradEnabled();
  if (wanted === nativeGrad) return;
  native().setGrad(wanted);
  nativeGrad = wanted;
}

/** Hands `value` to the innermost tidy scope, if there is one. */
export function own(value: Disposable): void {
  if (open === 0) return;
  owner(current())?.add(value);
}

function owner(scope: Scope | undefined): Set<Disposable> | undefined {
  for (let at = scope; at !== undefined; at = at.parent) {
    if (at.owned !== undefined && !at.ended) return at.owned;
  }
  return undefined;
}

/** A function that runs others in the scope of this moment, for results that arrive later. */
export function captureScope(): <R>(fn: () => R) => R {
  const scope = current();
  if (scope === undefined) return (fn) => fn();
  return (fn) => storage.run(scope, fn);
}

/**
 * Runs `fn` and frees every tensor that was made meanwhile, but those in its result: a tensor, or
 * arrays, maps, sets and plain objects of them. `fn` may be asynchronous; the scope then lasts
 * until its promise settles, and follows it across `await`.
 *
 * @example
 * ```ts
 * const norm = tidy(() => x.mul(x).sum().sqrt());
 * ```
 */
export function tidy<R>(fn: () => R): R {
  const owned = new Set<Disposable>();
  return run({ parent: current(), grad: gradEnabled(), owned, ended: false }, fn);
}

/**
 * Runs `fn` without recording gradients, across `await` too.
 *
 * @example
 * ```ts
 * const frozen = await noGrad(async () => ops.job.matmul(x, weight));
 * ```
 */
export function noGrad<R>(fn: () => R): R {
  return run({ parent: current(), grad: false, owned: undefined, ended: false }, fn);
}

/** Runs `fn` with gradients recorded, inside {@link noGrad}. */
export function enableGrad<R>(fn: () => R): R {
  return run({ parent: current(), grad: true, owned: undefined, ended: false }, fn);
}

/** Takes `value` out of every scope around, so that it lives until it is disposed of. */
export function keep<T extends Disposable>(value: T): T {
  for (let scope = current(); scope !== undefined; scope = scope.parent) scope.owned?.delete(value);
  return value;
}

function run<R>(scope: Scope, fn: () => R): R {
  open += 1;
  let result: R;
  try {
    result = storage.run(scope, fn);
  } catch (error) {
    end(scope, undefined);
    throw error;
  }
  if (!isThenable(result)) {
    end(scope, result);
    return result;
  }
  return Promise.resolve(result).then(
    (value) => {
      end(scope, value);
      return value;
    },
    (error) => {
      end(scope, undefined);
      throw error;
    },
  ) as R;
}

function end(scope: Scope, result: unknown): void {
  scope.ended = true;
  open -= 1;
  if (open === 0) syncGradToDefault();
  if (scope.owned === undefined) return;
  const outer = owner(scope.parent);
  for (const survivor of disposablesIn(result)) {
    if (scope.owned.delete(survivor)) outer?.add(survivor);
  }
  for (const value of scope.owned) value.dispose();
}

function syncGradToDefault(): void {
  if (nativeGrad) return;
  native().setGrad(true);
  nativeGrad = true;
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as { then?: unknown } | null | undefined)?.then === "function";
}

/** Everything that can be disposed of in `value`: itself, or what arrays, maps and objects hold. */
export function disposablesIn(value: unknown, seen = new Set<unknown>()): Set<Disposable> {
  const found = new Set<Disposable>();
  const visit = (part: unknown): void => {
    if (typeof part !== "object" || part === null || seen.has(part)) return;
    seen.add(part);
    if (typeof (part as Partial<Disposable>).dispose === "function") found.add(part as Disposable);
    else if (Array.isArray(part) || part instanceof Set) part.forEach(visit);
    else if (part instanceof Map) part.forEach(visit);
    else if (isPlain(part)) Object.values(part).forEach(visit);
  };
  visit(value);
  return found;
}

function isPlain(value: object): boolean {
  const prototype = Object.getPrototypeOf(value);
  return prototype === null || prototype === Object.prototype;
}
