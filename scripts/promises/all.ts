import { copiedBuffers } from "./copied-buffers.js";
import { eventLoop } from "./event-loop.js";
import { exits, orphans } from "./exit-matrix.js";
import { cancelModel, cancelQueued, cancelRunning, deadlines, fairTurns } from "./latency.js";
import { manyJobs } from "./many-jobs.js";
import type { RuntimePromise } from "./promise.js";
import { isolation, lostRanks, stoppedRanks } from "./ranks.js";
import { tensors } from "./tensors.js";
import { workerThreads } from "./worker-threads.js";

/** Every promise, in the order in which they are measured. */
export const promises: readonly RuntimePromise[] = [
  cancelQueued,
  cancelRunning,
  cancelModel,
  deadlines,
  fairTurns,
  eventLoop,
  tensors,
  manyJobs,
  workerThreads,
  isolation,
  lostRanks,
  stoppedRanks,
  exits,
  orphans,
  copiedBuffers,
];
