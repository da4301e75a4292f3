// Brings itself into a state and ends in one of several ways: `node ending.mjs WAY STATE`.
// Once it is there it writes `ready STATE-OF-ITS-JOB`. With a way that begins with `worker-`, all
// of this happens in a worker thread, and the main thread ends well only if it can still compute.
import { writeSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { createModule, ones } from "torchsight";

const EXIT_CODES = { exit: 3, SIGTERM: 143, SIGINT: 130 };
/** Elements of a module that takes more than a second to fill. */
const LARGE = 150_000_000;

const [way, state] = isMainThread ? process.argv.slice(2) : workerData;
// Left alone, a program waits for its jobs; every other way ends it long before them.
const seconds = way === "return" ? 0.5 : 60;

const diagnostics = (options = {}, size = 16) =>
  createModule({ model_type: "torchsight_diagnostics", size }, options);

/** Ways into a state. The job under way is in a list: a job is a promise, and would be awaited. */
const STATES = {
  idle: async () => {
    await diagnostics();
    await diagnostics({ isolate: true });
    return [];
  },
  loading: async () => [diagnostics({}, LARGE)],
  "loading-isolated": async () => [diagnostics({ isolate: true }, LARGE)],
  running: async () => [(await diagnostics()).call("wait", {}, { args: { seconds } })],
  "running-isolated": async () => {
    const module = await diagnostics({ isolate: true });
    return [module.call("wait", {}, { args: { seconds } })];
  },
  collective: async () => {
    const module = await diagnostics({ tensorParallel: 2 });
    return [module.call("all_reduce", {}, { args: { n: 1 << 18, seconds } })];
  },
};

async function enter() {
  const [job] = await STATES[state]();
  if (!job) return "idle";
  job.catch(() => {});
  while (job.state === "queued") await sleep(1);
  await sleep(150);
  return job.state;
}

function ready(reached) {
  writeSync(1, `ready ${reached}\n`);
}

function throwUncaught() {
  setImmediate(() => {
    throw new Error("thrown on purpose");
  });
}

async function inMainThread() {
  if (way in EXIT_CODES && way !== "exit") {
    process.on(way, () => process.exit(EXIT_CODES[way]));
    setInterval(() => {}, 1000);
  }
  ready(await enter());
  if (way === "exit") process.exit(EXIT_CODES.exit);
  if (way === "throw") throwUncaught();
}

/** Ends with 21 after terminating the worker, and with 22 after an error of the worker's own. */
function besideWorker() {
  const worker = new Worker(new URL(import.meta.url), { workerData: [way, state] });
  let code = 21;
  worker.on("error", (error) => {
    if (error.message === "thrown on purpose") code = 22;
  });
  worker.on("message", (reached) => {
    ready(reached);
    if (way === "worker-terminate") worker.terminate();
    else worker.postMessage("throw");
  });
  worker.on("exit", () => {
    const sum = ones([16, 16])
      .matmul(ones([16, 16]))
      .sum()
      .item();
    if (sum === 16 ** 3) process.exitCode = code;
  });
}

if (!isMainThread) {
  parentPort.on("message", throwUncaught);
  parentPort.postMessage(await enter());
} else if (way.startsWith("worker-")) {
  besideWorker();
} else {
  await inMainThread();
}
