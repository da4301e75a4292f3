/** Modules and sessions of any system, shown on the diagnostics module. */
import { join } from "node:path";
import test from "ava";
import { tensor } from "../../lib/core/create.js";
import type { ErrorCode } from "../../lib/core/errors.js";
import { createModule, load } from "../../lib/core/load.js";
import { formatMethod } from "../../lib/core/schema.js";
import { temporary } from "./fixtures.js";

const DIAGNOSTICS = { model_type: "torchsight_diagnostics", size: 8 };
const PLACES = [{}, { isolate: true }] as const;

for (const place of PLACES) {
  const where = JSON.stringify(place);

  test(`a method gives back what it was given ${where}`, async (t) => {
    await using model = await createModule(DIAGNOSTICS, place);
    const x = tensor([[1, 2, 3]]);
    using result = await model.call("echo", { x });
    t.deepEqual(await result.x!.toArray(), [[1, 2, 3]]);
    t.deepEqual(result.taps, {});
  });

  test(`a stream gives every item in order ${where}`, async (t) => {
    await using model = await createModule(DIAGNOSTICS, place);
    const seen: unknown[] = [];
    for await (const item of model.call("count", {}, { args: { n: 20 } })) {
      using owned = item;
      seen.push(owned.i!.item());
    }
    t.deepEqual(
      seen,
      Array.from({ length: 20 }, (_, i) => i),
    );
  });

  test(`a session keeps its state ${where}`, async (t) => {
    await using model = await createModule(DIAGNOSTICS, place);
    using session = model.openSession("sum");
    t.deepEqual(Object.keys(session.methods), ["add"]);
    const add = async (value: number) => {
      using result = await session.call("add", { x: tensor(value) });
      return result.sum!.item();
    };
    t.is(await add(2), 2);
    using state = session.snapshot();
    t.is(await add(3), 5);
    session.restore(state);
    t.is(await add(4), 6);
  });

  test(`progress, cancel and deadline ${where}`, async (t) => {
    await using model = await createModule(DIAGNOSTICS, place);
    const wait = { args: { seconds: 20 } };
    const seen: string[] = [];
    const abort = new AbortController();
    const onProgress = ({ phase }: { phase: string }) => {
      seen.push(phase);
      abort.abort();
    };
    const waiting = model.call("wait", {}, { ...wait, signal: abort.signal, onProgress });
    await t.throwsAsync(async () => await waiting, { code: "CANCELLED" });
    t.true(seen.includes("wait"));
    const late = model.call("wait", {}, { ...wait, deadline: 50 });
    await t.throwsAsync(async () => await late, { code: "DEADLINE" });
  });
}

const refused: [name: string, method: string, args: Record<string, unknown>, ErrorCode][] = [
  ["an unknown method", "ecko", {}, "NOT_FOUND"],
  ["an unknown option", "count", { n: 1, m: 2 }, "BAD_INPUT"],
  ["a missing option", "count", {}, "BAD_INPUT"],
  ["an option of a wrong type", "count", { n: "two" }, "BAD_INPUT"],
  ["a missing input", "echo", {}, "BAD_INPUT"],
  ["a C++ exception", "fail", { kind: "standard" }, "INTERNAL"],
  ["an exception of libtorch", "fail", { kind: "libtorch" }, "SHAPE"],
];
for (const [name, method, args, expected] of refused) {
  test(`refused: ${name}`, async (t) => {
    await using model = await createModule(DIAGNOSTICS);
    const codes = expected === "SHAPE" ? ["SHAPE", "LIBTORCH", "BAD_INPUT"] : [expected];
    const error = await t.throwsAsync(async () => await model.call(method, {}, { args }));
    t.true(codes.includes((error as { code?: string }).code ?? ""), String(error));
  });
}

test("inputs must be tensors, sessions of a known kind", async (t) => {
  await using model = await createModule(DIAGNOSTICS);
  const x = [1, 2] as unknown as ReturnType<typeof tensor>;
  await t.throwsAsync(async () => await model.call("echo", { x }), { code: "BAD_INPUT" });
  t.throws(() => model.openSession("cache"), { code: "NOT_FOUND" });
});

test("sessions end with their module", async (t) => {
  const model = await createModule(DIAGNOSTICS);
  const session = model.openSession("sum");
  model.dispose();
  t.throws(() => session.snapshot(), { code: "DISPOSED" });
  t.throws(() => model.openSession("sum"), { code: "DISPOSED" });
  const call = session.call("add", { x: tensor(1) });
  await t.throwsAsync(async () => await call, { code: "DISPOSED" });
});

test("a worker that is killed or aborts is an error; the next call has a new one", async (t) => {
  await using model = await createModule({ ...DIAGNOSTICS, allow_abort: true }, { isolate: true });
  const [first] = model.pids;
  const waiting = model.call("wait", {}, { args: { seconds: 20 } });
  waiting.onProgress(() => process.kill(first!, "SIGKILL"));
  await t.throwsAsync(async () => await waiting, { code: "WORKER_FAILED" });
  const aborting = model.call("abort", {});
  await t.throwsAsync(async () => await aborting, { code: "WORKER_FAILED" });
  using result = await model.call("echo", { x: tensor([7]) });
  t.deepEqual(await result.x!.toArray(), [7]);
  t.not(model.pids[0], first);
});

test("ranks add up; a killed one is RANK_FAILED for all", async (t) => {
  await using model = await createModule(DIAGNOSTICS, { tensorParallel: 3 });
  using result = await model.call("all_reduce", {}, { args: { n: 4 } });
  t.deepEqual(await result.sum!.toArray(), [3, 3, 3, 3]);
  const adding = model.call("all_reduce", {}, { args: { seconds: 20 } });
  setTimeout(() => process.kill(model.pids[1]!, "SIGKILL"), 200);
  await t.throwsAsync(async () => await adding, { code: "RANK_FAILED" });
});

test("a native module without a folder is saved and loaded under its own names", async (t) => {
  const folder = join(temporary(t), "model");
  await using model = await createModule(DIAGNOSTICS, { seed: 3 });
  await model.save(folder);
  await using again = await load(folder);
  t.deepEqual(again.config, DIAGNOSTICS);
  t.deepEqual(again.parameters, [{ name: "weight", shape: [8], dtype: "float32" }]);
});

test("a method is told in one line", async (t) => {
  await using model = await createModule(DIAGNOSTICS);
  t.is(formatMethod(model.methods.echo!), "echo(x: any [...]) -> x: any [...]");
});
