import type { NativeValue, SessionId, TensorId } from "../native/addon.js";
import { TorchsightError } from "./errors.js";
import type { Job, JobControl, Progress } from "./job.js";
import { startJob } from "./jobs.js";
import { idsOf, type NamedTensors, namedTensors } from "./named.js";
import { callNative, native } from "./runtime.js";
import type { MethodSchema } from "./schema.js";
import type { Tensor } from "./tensor.js";

/** How a session's method is called. */
export interface SessionCallOptions extends JobControl {
  /** The method's own options, by the names of its schema. */
  args?: Record<string, unknown> | undefined;
  onProgress?: ((progress: Progress) => void) | undefined;
}

/**
 * Native state that lives between calls: a cache, a trainer, a sampler in mid-cascade. Opaque, and
 * used by one call at a time. Dispose of it when done; its module stays.
 */
export class Session {
  readonly #id: SessionId;
  readonly #closed: () => void;
  #disposed = false;

  /** The session's methods by name. */
  readonly methods: Readonly<Record<string, MethodSchema>>;

  /** @internal Made by `Module.openSession`. */
  constructor(id: SessionId, closed: () => void) {
    this.#id = id;
    this.#closed = closed;
    const schemas = JSON.parse(native().sessionDescription(id)) as MethodSchema[];
    this.methods = Object.fromEntries(schemas.map((schema) => [schema.name, schema]));
  }

  /** Runs a method as a job. */
  call(
    method: string,
    inputs: Record<string, Tensor | undefined>,
    options: SessionCallOptions = {},
  ): Job<NamedTensors, Progress, NamedTensors> {
    const { args = {}, onProgress, ...control } = options;
    const job = startJob<NamedTensors, NamedTensors>(
      {
        submit: (jobOptions) => {
          const named = idsOf(inputs);
          const text = JSON.stringify(args);
          return native().submitSessionCall(this.#use(), method, named, text, jobOptions);
        },
        decode: (value: NativeValue) => namedTensors(value as [string, TensorId][]),
        decodeItem: namedTensors,
      },
      control,
    );
    if (onProgress) job.onProgress(onProgress);
    return job;
  }

  /** The state as named tensors. Throws `UNSUPPORTED` where a session cannot be taken apart. */
  snapshot(): NamedTensors {
    return namedTensors(callNative((addon) => addon.sessionSnapshot(this.#use())));
  }

  /** Puts a {@link snapshot} back. */
  restore(state: Record<string, Tensor>): void {
    callNative((addon) => addon.sessionRestore(this.#use(), idsOf(state)));
  }

  /** Frees the native state. Calls that run keep it until they have settled. */
  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    native().closeSession(this.#id);
    this.#closed();
  }

  /** As {@link dispose}, for `using`. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  #use(): SessionId {
    if (this.#disposed) throw new TorchsightError("DISPOSED", "the session was disposed of");
    return this.#id;
  }
}
