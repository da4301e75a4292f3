import { disposablesIn } from "./scope.js";

/**
 * Makes the tensors in `value`, an array or a plain object, disposable as a whole: `using` and
 * `value[Symbol.dispose]()` free all of them.
 */
export function disposable<T>(value: T): T & globalThis.Disposable {
  if (typeof value === "object" && value !== null && !(Symbol.dispose in value)) {
    Object.defineProperty(value, Symbol.dispose, {
      value: () => {
        for (const part of disposablesIn(value)) part.dispose();
      },
    });
  }
  return value as T & globalThis.Disposable;
}
