/** Safetensors files of one's own: named tensors in and out. */
import { resolve } from "node:path";
import type { NativeValue, TensorId } from "../native/addon.js";
import { requireFile } from "./checkpoint.js";
import type { Job, JobControl } from "./job.js";
import { startJob } from "./jobs.js";
import { idsOf, type NamedTensors, namedTensors } from "./named.js";
import { native } from "./runtime.js";
import type { Tensor } from "./tensor.js";

/** What is read of a file. */
export interface ReadOptions extends JobControl {
  /** Names of the tensors to read; all of them where left out or empty. */
  names?: readonly string[] | undefined;
}

/**
 * Reads tensors of one safetensors file. The job rejects with `NOT_FOUND` for a missing file and
 * with `BAD_CHECKPOINT` for a bad one.
 */
export function readTensors(path: string, options: ReadOptions = {}): Job<NamedTensors> {
  const { names = [], ...control } = options;
  return startJob<NamedTensors>(
    {
      submit: (jobOptions) => {
        const file = requireFile(path);
        return native().submitReadFile(file, [...names], jobOptions);
      },
      decode: (value: NativeValue) => namedTensors(value as [string, TensorId][]),
    },
    control,
  );
}

/** How a file is written. */
export interface WriteOptions extends JobControl {
  /** Free text that travels with the tensors. */
  metadata?: Record<string, string> | undefined;
}

/** Writes tensors, which must be on the CPU, as one safetensors file. */
export function writeTensors(
  path: string,
  tensors: Record<string, Tensor>,
  options: WriteOptions = {},
): Job<void> {
  const { metadata = {}, ...control } = options;
  return startJob<void>(
    {
      submit: (jobOptions) => {
        const text = JSON.stringify(metadata);
        return native().submitWriteFile(resolve(path), idsOf(tensors), text, jobOptions);
      },
      decode: () => undefined,
    },
    control,
  );
}
