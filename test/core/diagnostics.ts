/** Jobs with a known behaviour, of the native module that exists for that. */

import { startJob } from "../../dist/core/jobs.js";
import { native } from "../../dist/core/runtime.js";
import { wrapTensor } from "../../dist/core/tensor.js";
import type { Job, JobControl, Progress, Tensor } from "../../dist/index.js";

let loading: Promise<number> | undefined;

/** The native module, loaded once. */
function loaded(): Promise<number> {
  const request = {
    config: { model_type: "torchsight_diagnostics" },
    device: "cpu",
    dtype: "float32",
    seed: 0,
  };
  loading ??= Promise.resolve(
    startJob({
      submit: (options) => native().submitLoad(JSON.stringify(request), options),
      decode: (value) => (value as { module: number }).module,
    }),
  );
  return loading;
}

/** What starts jobs of that module. */
export interface Diagnostics {
  /** Keeps the device busy for so many seconds, with a checkpoint after every `step` of them. */
  wait(seconds: number, control?: JobControl, step?: number): Job<void>;
  /** Streams the numbers below `n`. */
  count(n: number, control?: JobControl): Job<void, Progress, Tensor>;
  /** Throws what C++ code can throw. */
  fail(kind: string): Job<void>;
}

export async function diagnostics(): Promise<Diagnostics> {
  const module = await loaded();
  const call = <S>(method: string, args: object, control?: JobControl): Job<void, Progress, S> =>
    startJob<void, S>(
      {
        submit: (options) =>
          native().submitCall(module, method, [], JSON.stringify(args), [], "", options),
        decode: () => undefined,
        decodeItem: (tensors) => wrapTensor(tensors[0]![1]) as S,
      },
      control,
    );
  return {
    wait: (seconds, control, step = 0.01) => call("wait", { seconds, step }, control),
    count: (n, control) => call<Tensor>("count", { n }, control),
    fail: (kind) => call("fail", { kind }),
  };
}
