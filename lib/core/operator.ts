import type { OverloadId } from "../native/addon.js";
import { disposable } from "./disposable.js";
import type { Job, JobControl } from "./job.js";
import { startJob } from "./jobs.js";
import {
  type Bound,
  compile,
  decodeResults,
  type Overload,
  optionsOf,
  resolve,
} from "./overload.js";
import { fromNative, native } from "./runtime.js";
import { syncGrad } from "./scope.js";
import { Tensor, tensorId, wrapTensor } from "./tensor.js";

/** Calls an operator at once. */
export type Direct = (...args: unknown[]) => unknown;

/** Calls an operator as a job. */
export type Queued = (...args: unknown[]) => Job<unknown>;

/** An operator with all its overloads. */
export class Operator {
  readonly name: string;
  readonly overloads: readonly Overload[];
  /**
   * The overload that takes so many tensors and nothing else, where its result is one new tensor.
   */
  readonly #ofTensors: (OverloadId | undefined)[];

  /** @param name - with its namespace, e.g. `aten::add` */
  constructor(name: string) {
    this.name = name;
    this.overloads = native()
      .overloads(name)
      .map((overload) => compile(name, overload))
      // PyTorch tries the overload without a name first.
      .sort(
        (a, b) => Number(b.schema.startsWith(`${name}(`)) - Number(a.schema.startsWith(`${name}(`)),
      );
    this.#ofTensors = [0, 1, 2, 3].map((count) => plainOverload(this.overloads, count));
  }

  /** Matches arguments to an overload. */
  bind(args: readonly unknown[]): Bound {
    const options = optionsOf(args);
    const positional = options === undefined ? args : args.slice(0, -1);
    return resolve(this.name, this.overloads, positional, options);
  }

  /** Matches and calls. */
  run(args: readonly unknown[]): unknown {
    const bound = this.bind(args);
    syncGrad();
    try {
      const result = native().call(bound.overload.id, ...bound.native);
      return decodeResults(bound, result, free);
    } catch (error) {
      throw fromNative(error);
    }
  }

  /** The operator as a function. Calls with one to three tensors skip all matching. */
  direct(): Direct {
    const [, unary, binary, ternary] = this.#ofTensors;
    const operator = this;
    // Named parameters and `arguments` rather than a rest array: the common calls allocate nothing.
    return function (this: unknown, a?: unknown, b?: unknown, c?: unknown): unknown {
      // biome-ignore lint/complexity/noArguments: see above.
      const count = arguments.length;
      try {
        if (count === 2 && binary !== undefined && a instanceof Tensor && b instanceof Tensor) {
          syncGrad();
          return wrapTensor(native().call(binary, tensorId(a), tensorId(b)) as number);
        }
        if (count === 1 && unary !== undefined && a instanceof Tensor) {
          syncGrad();
          return wrapTensor(native().call(unary, tensorId(a)) as number);
        }
        if (count === 3 && ternary !== undefined && areTensors(a, b, c)) {
          syncGrad();
          const [x, y, z] = [tensorId(a as Tensor), tensorId(b as Tensor), tensorId(c as Tensor)];
          return wrapTensor(native().call(ternary, x, y, z) as number);
        }
      } catch (error) {
        throw fromNative(error);
      }
      const args = new Array<unknown>(count);
      // biome-ignore lint/complexity/noArguments: see above.
      for (let index = 0; index < count; index += 1) args[index] = arguments[index];
      return operator.run(args);
    };
  }

  /** The operator as a function that starts a job. */
  queued(): Queued {
    return (...args) => {
      const { control, rest } = splitControl(args);
      let bound: Bound;
      return startJob<unknown>(
        {
          submit: (options) => {
            bound = this.bind(rest);
            return native().submitOperator(bound.overload.id, bound.native, options);
          },
          decode: (value) => disposable(decodeResults(bound, value, free)),
        },
        control,
      );
    };
  }
}

/** The first overload that `count` tensors match, if the result is one new tensor. */
function plainOverload(overloads: readonly Overload[], count: number): OverloadId | undefined {
  const match = overloads.find(
    ({ parameters, positional }) =>
      positional >= count &&
      parameters.every(({ type, required }, index) => (index < count ? type.tensor : !required)),
  );
  return match?.plain ? match.id : undefined;
}

function areTensors(a: unknown, b: unknown, c: unknown): boolean {
  return a instanceof Tensor && b instanceof Tensor && c instanceof Tensor;
}

function free(tensor: number): void {
  native().tensorFree(tensor);
}

const CONTROL = ["signal", "deadline", "priority", "streamCapacity"] as const;

/** Takes a job's control out of the trailing options. */
function splitControl(args: readonly unknown[]): { control: JobControl; rest: readonly unknown[] } {
  const options = optionsOf(args);
  if (options === undefined) return { control: {}, rest: args };
  const rest: Record<string, unknown> = { ...options };
  const control: Record<string, unknown> = {};
  for (const name of CONTROL) {
    if (!Object.hasOwn(rest, name)) continue;
    control[name] = rest[name];
    delete rest[name];
  }
  const positional = args.slice(0, -1);
  return { control, rest: Object.keys(rest).length === 0 ? positional : [...positional, rest] };
}
