import { invalidArgument } from "./errors.js";
import { callNative, native } from "./runtime.js";

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
  /** What is printed on it, where the device says. */
  readonly model?: string;
}

/** Memory of one device, in bytes. */
export interface DeviceMemory {
  /** What tensors of this process hold. */
  readonly allocated: number;
  /** What libtorch has taken for tensors, held now or kept for the next ones. */
  readonly reserved: number;
  /** The most that tensors held. */
  readonly peak: number;
  /** What no process has taken; 0 where the device does not say. */
  readonly free: number;
  readonly total: number;
}

/** How much memory tensors take, here and in the process. */
export function memory(): MemoryStats {
  return { ...native().tensorCounters(), ...native().memory() };
}

/**
 * Gives the memory that libtorch keeps of a device, and that no tensor holds, back to it; of all
 * devices where none is named.
 *
 * @throws TorchsightError `UNSUPPORTED` for a device that is not there
 */
export function emptyCache(device?: string): void {
  if (device !== undefined) checkName(device);
  callNative((addon) => addon.emptyCache(device));
}

/**
 * Memory of a device: `cpu`, or a card such as `cuda:0`, which this takes into use.
 *
 * @throws TorchsightError `UNSUPPORTED` for a device that is not there
 */
export function memoryStats(device = "cpu"): DeviceMemory {
  checkName(device);
  return callNative((addon) => addon.deviceMemory(device));
}

function checkName(device: unknown): void {
  if (typeof device !== "string") throw invalidArgument("device", "the name of a device", device);
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
