import { execFile } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import test from "ava";
import {
  type ErrorCode,
  Job,
  lanes,
  ones,
  ops,
  randn,
  type Tensor,
  TorchsightError,
  tensor,
} from "torchsight";
import { diagnostics } from "./diagnostics.js";

const UNBOUNDED = { jobs: 4096, bytes: 2 ** 40, threads: 4 };

test.serial.afterEach.always(() => lanes.limit(UNBOUNDED));

async function rejection(job: PromiseLike<unknown>): Promise<TorchsightError> {
  try {
    await job;
  } catch (error) {
    if (error instanceof TorchsightError) return error;
    throw error;
  }
  throw new Error("the job did not fail");
}

test.serial("a job is a promise", async (t) => {
  using x = ones([2, 2]);
  const job = ops.job.matmul(x, x);
  t.true(job instanceof Job);
  t.is(Object.prototype.toString.call(job), "[object Job]");
  t.deepEqual(await (await job).toArray(), [
    [2, 2],
    [2, 2],
  ]);
  t.is(job.state, "done");
  t.true((job.stats?.ran ?? -1) >= 0 && (job.stats?.queued ?? -1) >= 0);
  let finished = 0;
  const sums = await Promise.all([
    ops.job.sum(x).then((sum) => sum.item()),
    ops.job.sum(x).finally(() => {
      finished += 1;
    }),
    ops.job.matmul(x, ones([3, 3])).catch((error: TorchsightError) => error.code),
  ]);
  t.is(sums[0], 4);
  t.is(finished, 1);
  t.is(sums[2], "LIBTORCH");
});

test.serial("stats tell the memory that a job took", async (t) => {
  using x = ones([256, 1024]);
  const job = ops.job.add(x, x);
  using _ = await job;
  t.true((job.stats?.peakBytes ?? 0) >= 2 ** 20);
});

test.serial("a native error carries the stack of the call", async (t) => {
  const error = await rejection(ops.job.matmul(ones([2, 3]), ones([2, 3])));
  t.regex(error.stack ?? "", /jobs\.test\.ts/);
  t.regex(error.message, /mat1 and mat2/);
  t.notRegex(error.message, /frame #|Exception raised/);
});

test.serial("what C++ throws becomes an error with a code", async (t) => {
  const { fail } = await diagnostics();
  const codes: Record<string, ErrorCode> = {
    libtorch: "LIBTORCH",
    out_of_memory: "OUT_OF_MEMORY",
    bad_alloc: "OUT_OF_MEMORY",
    standard: "INTERNAL",
    foreign: "INTERNAL",
    unheard: "BAD_INPUT",
  };
  for (const [kind, code] of Object.entries(codes)) {
    t.is((await rejection(fail(kind))).code, code, kind);
  }
});

test.serial("starting a job never throws", async (t) => {
  const unmatched = (ops.job.matmul as unknown as (...args: unknown[]) => Job)(1, 2);
  t.is((await rejection(unmatched)).code, "BAD_INPUT");
  const disposed = ones([1]);
  disposed.dispose();
  t.is((await rejection(ops.job.abs(disposed))).code, "DISPOSED");
  for (const control of [
    { deadline: -1 },
    { priority: "urgent" },
    { streamCapacity: 0 },
    { signal: {} },
  ]) {
    const error = await rejection(ops.job.abs(ones([1]), control as never));
    t.regex(error.message, new RegExp(`for ${Object.keys(control)[0]} but received`));
  }
});

test.serial("an aborted signal keeps a job from starting", async (t) => {
  const before = lanes.counters().submitted;
  const reason = new Error("no longer wanted");
  const job = ops.job.abs(ones([1]), { signal: AbortSignal.abort(reason) });
  const error = await rejection(job);
  t.is(error.code, "CANCELLED");
  t.is(error.cause, reason);
  t.is(job.state, "cancelled");
  t.is(lanes.counters().submitted, before);
});

test.serial("a signal ends a running job at its next checkpoint", async (t) => {
  const { wait } = await diagnostics();
  const controller = new AbortController();
  const job = wait(30, { signal: controller.signal });
  await new Promise<void>((resolve) => job.onProgress(() => resolve()));
  t.is(job.state, "running");
  const begin = performance.now();
  controller.abort();
  const error = await rejection(job);
  t.is(error.code, "CANCELLED");
  t.is((error.cause as Error).name, "AbortError");
  t.true(performance.now() - begin < 1000);
  t.is(job.state, "cancelled");
});

test.serial("a queued job is cancelled at once", async (t) => {
  const { wait } = await diagnostics();
  lanes.limit({ threads: 1 });
  const first = wait(30);
  await new Promise<void>((resolve) => first.onProgress(() => resolve()));
  const second = wait(30);
  second.cancel("changed my mind");
  const error = await rejection(second);
  t.is(error.cause, "changed my mind");
  t.is(first.state, "running");
  first.cancel();
  t.is((await rejection(first)).code, "CANCELLED");
  first.cancel();
});

test.serial("a deadline ends running and queued jobs", async (t) => {
  const { wait } = await diagnostics();
  lanes.limit({ threads: 1 });
  const first = wait(30, { deadline: 150 });
  const second = wait(30, { deadline: 100 });
  for (const job of [first, second]) {
    t.is((await rejection(job)).code, "DEADLINE");
    t.is(job.state, "expired");
  }
});

test.serial("priorities decide who goes first", async (t) => {
  const { wait } = await diagnostics();
  lanes.limit({ threads: 1 });
  const first = wait(30);
  await new Promise<void>((resolve) => first.onProgress(() => resolve()));
  const order: string[] = [];
  const others = (["low", "normal", "high"] as const).map((priority) =>
    wait(0.001, { priority }).then(() => order.push(priority)),
  );
  first.cancel();
  await rejection(first);
  await Promise.all(others);
  t.deepEqual(order, ["high", "normal", "low"]);
});

test.serial(
  "progress reaches listeners and iterators, and their errors reach nobody",
  async (t) => {
    const { wait } = await diagnostics();
    const warned = new Promise<Error>((resolve) => process.once("warning", resolve));
    const job = wait(0.2);
    const heard: number[] = [];
    job.onProgress(({ done }) => heard.push(done));
    const stop = job.onProgress(() => {
      stop();
      throw new Error("of the listener");
    });
    const seen: number[] = [];
    for await (const { done, total, phase } of job.progress()) {
      t.is(total, 0.2);
      t.is(phase, "wait");
      seen.push(done);
    }
    await job;
    t.true(heard.length > 1 && seen.length > 1);
    t.deepEqual(
      seen,
      [...seen].sort((a, b) => a - b),
    );
    t.regex((await warned).message, /a progress listener threw: Error: of the listener/);
  },
);

test.serial("a stream loses nothing, however slow its reader is", async (t) => {
  const { count } = await diagnostics();
  const job = count(20, { streamCapacity: 2 });
  const numbers: number[] = [];
  for await (const item of job) {
    if (numbers.length < 5) await sleep(20);
    numbers.push(item.item() as number);
    item.dispose();
  }
  t.deepEqual(
    numbers,
    Array.from({ length: 20 }, (_, i) => i),
  );
  await job;
});

test.serial("a job is held while its reader is behind", async (t) => {
  const { count } = await diagnostics();
  const job = count(50, { streamCapacity: 2 });
  const reader = job[Symbol.asyncIterator]();
  await reader.next();
  await sleep(100);
  t.is(job.state, "running");
  for (let next = await reader.next(); !next.done; ) next = await reader.next();
  await job;
  t.is(job.state, "done");
});

test.serial("leaving a stream cancels its job", async (t) => {
  const { count } = await diagnostics();
  const job = count(1000);
  for await (const item of job) {
    item.dispose();
    break;
  }
  t.is((await rejection(job)).code, "CANCELLED");
});

test.serial("the failure of a job is thrown into its stream", async (t) => {
  const { count } = await diagnostics();
  const job = count(1000, { deadline: 100 });
  const error = await rejection(
    (async () => {
      for await (const item of job) {
        item.dispose();
        await sleep(20);
      }
    })(),
  );
  t.is(error.code, "DEADLINE");
});

test.serial("items that nobody reads do not hold a job that is awaited", async (t) => {
  const { count } = await diagnostics();
  await count(100, { streamCapacity: 2 });
  const late = count(100, { streamCapacity: 2 });
  await sleep(50);
  await late;
  t.is(late.state, "done");
});

test.serial("a full queue refuses jobs and says when to come again", async (t) => {
  const { wait } = await diagnostics();
  lanes.limit({ threads: 1, jobs: 2 });
  const { refused } = lanes.counters();
  const jobs = Array.from({ length: 6 }, () => wait(30));
  const last = await rejection(jobs.at(-1)!);
  t.is(last.code, "QUEUE_FULL");
  t.true((last.retryAfter ?? 0) > 0);
  t.true(lanes.counters().refused > refused);
  for (const job of jobs) job.cancel();
  const codes = await Promise.all(jobs.map(async (job) => (await rejection(job)).code));
  t.deepEqual(new Set(codes), new Set(["CANCELLED", "QUEUE_FULL"]));
});

test.serial("each of many jobs settles exactly once", async (t) => {
  const before = lanes.counters();
  using x = ones([8, 8]);
  const settled = new Array<number>(400).fill(0);
  const jobs = settled.map((_, index) => {
    const job = ops.job.matmul(x, x);
    if (index % 2 === 0) job.cancel();
    return job.then(
      (result) => {
        settled[index]! += 1;
        t.is(index % 2, 1);
        result.dispose();
      },
      (error: TorchsightError) => {
        settled[index]! += 1;
        t.is(error.code, "CANCELLED");
      },
    );
  });
  await Promise.all(jobs);
  t.true(settled.every((times) => times === 1));
  const after = lanes.counters();
  t.is(after.submitted - before.submitted, 400);
  t.is(after.queued + after.running, 0);
});

test.serial("a tensor that a job uses refuses changes", async (t) => {
  const { wait } = await diagnostics();
  lanes.limit({ threads: 1 });
  const first = wait(30);
  using x = ones([4, 4]);
  const job = ops.job.matmul(x, x);
  t.throws(() => ops.add_(x, 1), { code: "TENSOR_BUSY" });
  t.throws(() => x.set([0], 1), { code: "TENSOR_BUSY" });
  t.is(x.add(1).sum().item(), 32);
  first.cancel();
  await rejection(first);
  t.is((await job).sum().item(), 64);
  t.is(ops.add_(x, 1), x);
});

test.serial("results are disposable as a whole, and unclaimed ones are freed", async (t) => {
  const values = randn([4, 4]);
  let parts: readonly Tensor[];
  {
    using result = await ops.job.max(values, 1);
    parts = [...result];
    t.false(parts.some(({ disposed }) => disposed));
  }
  t.true(parts.every(({ disposed }) => disposed));
  const unclaimed = ops.job.abs(values);
  unclaimed.dispose();
  await sleep(20);
  t.true(["cancelled", "done"].includes(unclaimed.state));
  t.is((await rejection(unclaimed)).code, "CANCELLED");
});

test.serial("a rejection that nobody handles ends the process, as of any promise", async (t) => {
  const source = `
    import { ones, ops } from "torchsight";
    ops.job.matmul(ones([2, 3]), ones([2, 3]));
  `;
  const run = promisify(execFile)(process.execPath, ["--input-type=module", "-e", source]);
  const error = (await t.throwsAsync(run)) as Error & { code: number; stderr: string };
  t.is(error.code, 1);
  t.regex(error.stderr, /TorchsightError: mat1 and mat2/);
});

test.serial("a process ends by itself once its jobs have", async (t) => {
  const source = `
    import { tensor, ops } from "torchsight";
    const job = ops.job.matmul(tensor([[2]]), tensor([[3]]));
    job.then((product) => console.log(product.item()));
  `;
  const run = promisify(execFile)(process.execPath, ["--input-type=module", "-e", source]);
  t.is((await run).stdout, "6\n");
});

test.serial("deadline and control leave the operator's own options alone", async (t) => {
  using x = tensor([1, 2, 3]);
  using sum = await ops.job.add(x, x, { alpha: 2, priority: "low", deadline: 10000 });
  t.deepEqual(await sum.toArray(), [3, 6, 9]);
});
