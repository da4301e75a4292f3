import { invalidArgument } from "./errors.js";
import { native } from "./runtime.js";

/** What tensors of this process take. */
export interface MemoryStats {
  /** Tensors that JavaScript holds in this environment, and the bytes they keep alive. */
  readonly tensors: number;
  readonly bytes: number;
  /** Bytes of host memory that libtorch uses now, and the most it used, over the whole process. */
  readonly live: number;
  readonly peak: number;
  /** Bytes of freed blocks that are kept for the next ones. */
  readonly cached: number;
}

/** A device that tensors can be on. */
export interface DeviceInfo {
  /** As tensors name it: `cpu`, `cuda:0`. */
  readonly name: string;
  /** Bytes of its memory. */
  readonly memory: number;
}

/** How much memory tensors take, here and in the process. */
export function memory(): MemoryStats {
  return { ...native().tensorCounters(), ...native().memory() };
}

/** Gives freed blocks that are kept for reuse back to the system. */
export function releaseMemory(): void {
  native().emptyCache();
}

/** The devices that the libtorch found here can use. */
export function devices(): DeviceInfo[] {
  return native().devices();
}

/** Threads that one operator may use. */
export function threads(): number {
  return native().threads();
}

/** Sets how many threads an operator of a job may use. At once they use one. */
export function setThreads(count: number): void {
  if (!Number.isInteger(count) || count < 1) {
    throw invalidArgument("count", "a whole number above 0", count);
  }
  native().setThreads(count);
}
