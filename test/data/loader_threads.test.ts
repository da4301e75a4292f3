/** Threads of loaders: how they fail, and how they end. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import test from "ava";
import { TorchsightError } from "../../lib/core/errors.js";
import { indicesOf, ownLoader, taken } from "./loading.js";

const thrown = { instanceOf: TorchsightError };

test("a thread that ends by itself is an error, whatever others do", async (t) => {
  for (const [wrong, why] of [
    [{ exits: 9 }, /it ended with code 3/],
    [{ throws: 9 }, /nobody catches 9/],
  ] as const) {
    const loader = await ownLoader({ length: 40, ...wrong }, { shuffle: false, workers: 2 });
    const batches: number[][] = [];
    const error = await t.throwsAsync<TorchsightError>(async () => {
      for await (const { told } of loader) batches.push([...(await told!.data())] as number[]);
    }, thrown);
    t.is(error?.code, "WORKER_FAILED");
    t.regex(error?.message ?? "", /a thread of the data loader failed/);
    t.regex(error?.message ?? "", why);
    t.true(batches.length <= 2, "none of the third batch on");
  }
});

test("a loop can be begun anew after a failure, from where it was", async (t) => {
  const loader = await ownLoader({ length: 12, exits: 9 }, { shuffle: false, workers: 1 });
  await t.throwsAsync(taken(loader), thrown);
  const { position } = loader.cursor() as { position: number };
  t.true(position <= 8);
  await t.throwsAsync(taken(loader), { ...thrown, message: /it ended with code 3/ });
});

test("a signal ends the wait for a thread that never answers", async (t) => {
  for (const workers of [0, 1]) {
    const abort = new AbortController();
    const { signal } = abort;
    const options = { shuffle: false, workers, signal };
    const loader = await ownLoader({ length: 40, hangs: 4 }, options);
    const batches = loader[Symbol.asyncIterator]();
    t.false((await batches.next()).done);
    const waiting = batches.next();
    abort.abort(new Error("enough"));
    const error = await t.throwsAsync<TorchsightError>(waiting, thrown);
    t.is(error?.code, "CANCELLED");
    t.is((error?.cause as Error | undefined)?.message, "enough");
    t.true((await batches.next()).done);
    t.is((await t.throwsAsync<TorchsightError>(taken(loader), thrown))?.code, "CANCELLED");
  }
});

test("disposing of a loader ends a loop that waits, and its threads", async (t) => {
  let waiting: Promise<unknown> = Promise.resolve();
  {
    await using loader = await ownLoader({ length: 40, hangs: 2 }, { shuffle: false, workers: 1 });
    waiting = Promise.resolve(loader[Symbol.asyncIterator]().next());
    waiting.catch(() => {});
  }
  const error = await t.throwsAsync<TorchsightError>(waiting, thrown);
  t.is(error?.code, "CANCELLED");
});

test("one loop at a time: another is refused, and so is seeking", async (t) => {
  const loader = await ownLoader({ length: 40 });
  const batches = loader[Symbol.asyncIterator]();
  await batches.next();
  const error = await t.throwsAsync<TorchsightError>(taken(loader), thrown);
  t.regex(error?.message ?? "", /one loop at a time/);
  t.throws(() => loader.seek(loader.cursor()), { ...thrown, message: /still runs/ });
  await batches.return(undefined);
  t.is((await indicesOf(loader)).length, 9);
});

test("a data set that other threads find otherwise is an error", async (t) => {
  const loader = await ownLoader({ length: 30, lengthInThreads: 31 }, { workers: 1 });
  await t.throwsAsync(taken(loader), {
    ...thrown,
    message: /expected 30 samples but a thread found 31/,
  });
});

/** A program that takes a batch, and then leaves the loop suspended, or ends it. */
const program = (library: string, rest: string) => `
  const { DataLoader } = await import(${JSON.stringify(new URL(library, import.meta.url).href)});
  const loader = await DataLoader.open(
    { kind: "shapesworld", options: { size: [16, 16], frames: 1 } },
    { batch: 2, workers: 1, transforms: [{ kind: "pixels" }] },
  );
  const batches = loader[Symbol.asyncIterator]();
  const { value } = await batches.next();
  console.log(...value.pixel_values.shape);
  ${rest}`;

async function output(flags: readonly string[], text: string): Promise<string> {
  const all = [...flags, "--input-type=module", "--eval", text];
  return (await promisify(execFile)(process.execPath, all)).stdout;
}

for (const [name, rest] of [
  ["dropped in the middle", ""],
  ["ended", "await batches.return();"],
  ["disposed of", "await loader[Symbol.asyncDispose]();"],
] as const) {
  test(`the process ends by itself after a loop of the package that is ${name}`, async (t) => {
    // Flags that threads may not have, and one that is theirs as well.
    const flags = ["--expose-gc", "--max-old-space-size=600", "--import", "data:text/javascript,0"];
    t.is(await output(flags, program("../../dist/index.js", rest)), "2 3 16 16\n");
  });
}

test("threads of a program that tsx compiles are compiled as well", async (t) => {
  const text = program("../../lib/data/index.ts", "");
  t.is(await output(["--import=tsx"], text), "2 3 16 16\n");
});
