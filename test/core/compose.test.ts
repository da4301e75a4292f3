import test from "ava";
import { composeJob } from "../../lib/core/compose.js";
import { TorchsightError } from "../../lib/core/errors.js";
import { Job, type JobControl, type Progress } from "../../lib/core/job.js";

const STATS = { queued: 1, ran: 2, peakBytes: 3 };

/** A part that takes `milliseconds`, tells its progress, and listens to its signal. */
function part<T>(value: T, milliseconds: number, control: JobControl): Job<T> {
  return new Job<T>((driver) => {
    driver.started();
    const timer = setTimeout(() => driver.resolve(value, STATS), milliseconds);
    setImmediate(() => driver.progressed({ done: 1, total: 2, phase: String(value) }));
    const cancel = () => {
      clearTimeout(timer);
      driver.reject(new TorchsightError("CANCELLED", "the part was cancelled"), STATS);
    };
    control.signal?.addEventListener("abort", cancel);
    return cancel;
  });
}

test("parts follow each other; progress and figures are those of all", async (t) => {
  const seen: Progress[] = [];
  const job = composeJob({ onProgress: (progress) => seen.push(progress) }, async (steps) => {
    const a = await steps.run(part("a", 20, steps.control));
    const b = await steps.run(part("b", 20, steps.control));
    return a + b;
  });
  t.is(await job, "ab");
  t.deepEqual(
    seen.map(({ phase }) => phase),
    ["a", "b"],
  );
  t.deepEqual(job.stats, { queued: 2, ran: 4, peakBytes: 3 });
  t.is(job.state, "done");
});

test("a cancel ends the part that runs, and no other is started", async (t) => {
  let started = 0;
  const job = composeJob({}, async (steps) => {
    for (;;) {
      started += 1;
      await steps.run(part("x", 30, steps.control));
    }
  });
  setTimeout(() => job.cancel("why"), 45);
  const error = await t.throwsAsync(async () => await job, { code: "CANCELLED" });
  t.true(error instanceof TorchsightError);
  t.is(started, 2);
  t.is(job.state, "cancelled");
});

test("a whole that was cancelled is never a success, and frees what it made", async (t) => {
  const freed: string[] = [];
  const abort = new AbortController();
  const job = composeJob({ signal: abort.signal }, async () => {
    abort.abort("too late");
    return { [Symbol.dispose]: () => void freed.push("value") };
  });
  const error = await t.throwsAsync(async () => await job, { code: "CANCELLED" });
  t.is(error?.cause, "too late");
  t.deepEqual(freed, ["value"]);
});

test("a signal that is aborted already starts nothing", async (t) => {
  const job = composeJob({ signal: AbortSignal.abort("no") }, () => t.fail() as never);
  await t.throwsAsync(async () => await job, { code: "CANCELLED" });
});

test("the deadline is shared: what a part has used is gone for the next", async (t) => {
  const left: number[] = [];
  const job = composeJob({ deadline: 1000 }, async (steps) => {
    for (;;) {
      left.push(steps.control.deadline ?? 0);
      await steps.run(part("x", 100, steps.control));
    }
  });
  await t.throwsAsync(async () => await job, { code: "DEADLINE" });
  t.true(left.length >= 2 && left.every((one, i) => one > 0 && one < (left[i - 1] ?? 1001)));
  t.is(job.state, "expired");
});

test("the failure of a part is the failure of the whole", async (t) => {
  const job = composeJob({}, async (steps) => {
    const bad = new Job<void>((driver) => {
      setImmediate(() => driver.reject(new TorchsightError("SHAPE", "no")));
      return () => {};
    });
    await steps.run(bad);
  });
  await t.throwsAsync(async () => await job, { code: "SHAPE" });
  t.is(job.state, "failed");
});
