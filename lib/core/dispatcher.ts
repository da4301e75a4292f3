import type {
  JobId,
  JobListener,
  JobStats,
  NativeError,
  NativeValue,
  TensorId,
} from "../native/addon.js";

/** What the native side tells of one job. */
export interface JobEvents {
  started(): void;
  progress(done: number, total: number, phase: string): void;
  item(tensors: [string, TensorId][]): void;
  settled(error: NativeError | undefined, value: NativeValue, stats: JobStats): void;
}

const jobs = new Map<JobId, JobEvents>();

/** Routes what the native side tells of job `id` to `events`, until it has settled. */
export function watch(id: JobId, events: JobEvents): void {
  jobs.set(id, events);
}

/** The one listener of this environment. */
export const listener: JobListener = {
  started: (id) => jobs.get(id)?.started(),
  progress: (id, done, total, phase) => jobs.get(id)?.progress(done, total, phase),
  item: (id, tensors) => jobs.get(id)?.item(tensors),
  settled: (id, error, value, stats) => {
    const events = jobs.get(id);
    jobs.delete(id);
    events?.settled(error, value, stats);
  },
};
