/** The loader: the same batches whoever makes them, going on, shards, bad samples. */
import { setTimeout as sleep } from "node:timers/promises";
import test from "ava";
import { TorchsightError } from "../../lib/core/errors.js";
import {
  type BadSample,
  DataLoader,
  type DataLoaderOptions,
  type DatasetSource,
} from "../../lib/data/index.js";
import { indicesOf, own, ownLoader, TELLING, taken } from "./loading.js";
import * as ownData from "./own_data.js";

const SCENES: DatasetSource = {
  kind: "shapesworld",
  options: { size: [24, 16], frames: 1, seed: 3 },
  samples: 22,
};
const SCENE_OPTIONS: DataLoaderOptions = {
  batch: 4,
  seed: 5,
  epochs: 2,
  transforms: [
    { kind: "inceptionCrop", size: [12, 10] },
    { kind: "flip" },
    { kind: "pixels" },
    { kind: "labels", count: 19 },
  ],
};

test("batches are the same, bit for bit, for any number of threads", async (t) => {
  const all = [];
  for (const [workers, prefetch] of [
    [0, 1],
    [0, 7],
    [1, 3],
    [2, 5],
  ] as const) {
    const loader = await DataLoader.open(SCENES, { ...SCENE_OPTIONS, workers, prefetch });
    t.is(loader.batchesPerEpoch, 5);
    t.is(loader.samples, 22);
    all.push(await taken(loader));
  }
  const [first, ...others] = all;
  t.is(first!.length, 10);
  t.is(first![0]!.pixel_values!.length, 4 * 3 * 12 * 10);
  for (const other of others) t.deepEqual(other, first);
  // Epochs differ in their order.
  t.notDeepEqual(first!.slice(5), first!.slice(0, 5));
});

test("another seed gives another order, and without shuffling the order stays", async (t) => {
  const seeds = [];
  for (const seed of [1, 2]) {
    seeds.push(await taken(await ownLoader({ length: 12 }, { seed, workers: 1 })));
  }
  t.notDeepEqual(seeds[0], seeds[1]);
  const plain = await ownLoader({ length: 10 }, { shuffle: false, dropLast: false, epochs: 2 });
  const once = [
    [0, 1, 2, 3],
    [4, 5, 6, 7],
    [8, 9],
  ];
  t.deepEqual(await indicesOf(plain), [...once, ...once]);
});

test("random numbers of a sample differ from epoch to epoch", async (t) => {
  const loader = await ownLoader({ length: 4 }, { epochs: 2, shuffle: false });
  const [first, second] = (await taken(loader)).map(({ told }) => told!);
  const numbers = (told: number[]) => told.filter((_, at) => at % 2 === 1);
  t.is(new Set([...numbers(first!), ...numbers(second!)]).size, 8);
});

test("a run goes on in mid-epoch with the same batches", async (t) => {
  const options = { epochs: 3, seed: 8 };
  const whole = await taken(await ownLoader({ length: 18 }, options));
  t.is(whole.length, 12);
  for (const [before, workers] of [
    [0, 0],
    [3, 2],
    [4, 0],
    [9, 1],
    [12, 0],
  ] as const) {
    const first = await ownLoader({ length: 18 }, { ...options, workers });
    t.deepEqual(await taken(first, before), whole.slice(0, before));
    const cursor = JSON.parse(JSON.stringify(first.cursor()));
    const second = await ownLoader({ length: 18 }, { ...options, workers: before % 2 });
    second.seek(cursor);
    t.deepEqual(await taken(second), whole.slice(before), `after ${before}`);
  }
});

test("a loop that was left goes on where it was, and can be put back", async (t) => {
  const loader = await ownLoader({ length: 12 }, { shuffle: false, prefetch: 3 });
  const start = loader.cursor();
  t.deepEqual(await indicesOf(loader, 1), [[0, 1, 2, 3]]);
  t.deepEqual(await indicesOf(loader, 1), [[4, 5, 6, 7]]);
  t.deepEqual(await indicesOf(loader), [[8, 9, 10, 11]]);
  t.deepEqual(await indicesOf(loader), []);
  loader.seek(start);
  t.is((await indicesOf(loader)).length, 3);
});

test.serial("no more is made ahead than was told", async (t) => {
  const loader = await ownLoader({ length: 1000 }, { prefetch: 3 });
  const before = ownData.asked;
  const batches = loader[Symbol.asyncIterator]();
  await batches.next();
  await sleep(100);
  t.true(ownData.asked - before <= 4 * 4, `${ownData.asked - before}`);
  await batches.return(undefined);
});

test("ranks share an epoch: disjoint, as many, and all of it together", async (t) => {
  const shards = [];
  for (const rank of [0, 1, 2]) {
    const loader = await ownLoader({ length: 26 }, { batch: 2, rank, ranks: 3, seed: 4 });
    shards.push(await indicesOf(loader));
  }
  t.deepEqual(
    shards.map(({ length }) => length),
    [4, 4, 4],
  );
  t.is(new Set(shards.flat(2)).size, 24);
  // One rank with their batches together takes the same.
  const one = await indicesOf(await ownLoader({ length: 26 }, { batch: 6, seed: 4 }));
  for (const [at, batch] of one.entries()) {
    t.deepEqual(batch.sort(), shards.flatMap((shard) => shard[at]!).sort());
  }
  const complete = [];
  for (const rank of [0, 1, 2]) {
    const loader = await ownLoader({ length: 26 }, { rank, ranks: 3, dropLast: false });
    complete.push(...(await indicesOf(loader)).flat());
  }
  t.deepEqual(
    complete.sort((a, b) => a - b),
    Array.from({ length: 26 }, (_, i) => i),
  );
});

test("a run can go on with other ranks and batches: what is left follows", async (t) => {
  const two = [];
  let cursor: unknown;
  for (const rank of [0, 1]) {
    const loader = await ownLoader({ length: 24 }, { batch: 3, rank, ranks: 2 });
    two.push(...(await indicesOf(loader, 2)).flat());
    cursor = loader.cursor();
  }
  for (const rank of [0, 1, 2]) {
    const loader = await ownLoader({ length: 24 }, { batch: 2, rank, ranks: 3 });
    loader.seek(cursor);
    two.push(...(await indicesOf(loader)).flat());
  }
  t.deepEqual(
    two.sort((a, b) => a - b),
    Array.from({ length: 24 }, (_, i) => i),
  );
});

test("a bad sample is told of once, and another takes its place in a full batch", async (t) => {
  const all = [];
  for (const workers of [0, 2]) {
    const told: BadSample[] = [];
    const loader = await ownLoader(
      { length: 16, bad: [3, 9] },
      { epochs: 2, workers, seed: 2, onBad: (bad) => told.push(bad) },
    );
    const batches = await indicesOf(loader);
    t.is(batches.length, 8);
    t.true(batches.every((batch) => batch.length === 4));
    t.true(batches.flat().every((index) => index !== 3 && index !== 9));
    t.is(new Set(batches.slice(0, 4).flat()).size, 14, "all others come");
    t.deepEqual(
      told.map(({ index }) => index).sort((a, b) => a - b),
      [3, 9],
    );
    t.deepEqual(
      told.find(({ index }) => index === 3),
      { index: 3, name: "sample 3", message: "sample 3 is damaged" },
    );
    all.push({ batches, told });
  }
  t.deepEqual(all[1], all[0]);
});

test("without full batches bad samples are left out, and batches of nothing else", async (t) => {
  const told: number[] = [];
  const loader = await ownLoader(
    { length: 12, bad: [0, 4, 5, 6, 7] },
    { shuffle: false, dropLast: false, onBad: ({ index }) => told.push(index) },
  );
  t.deepEqual(await indicesOf(loader), [
    [1, 2, 3],
    [8, 9, 10, 11],
  ]);
  t.deepEqual(told, [0, 4, 5, 6, 7]);
});

test("too many bad samples end the loop with an error that names them", async (t) => {
  for (const workers of [0, 1]) {
    const loader = await ownLoader(
      { length: 40, bad: [1, 2, 5, 6, 9] },
      { shuffle: false, maxBad: 4, workers, onBad: () => {} },
    );
    const error = await t.throwsAsync<TorchsightError>(taken(loader));
    t.is(error?.code, "BAD_INPUT");
    t.regex(error?.message ?? "", /at most 4 bad samples but found 5 that cannot be used/);
    for (const index of [1, 2, 5, 6, 9]) {
      t.true(error?.message.includes(`sample ${index}: sample ${index} is damaged`));
    }
  }
  const none = await ownLoader({ length: 4, bad: [0, 1, 2, 3] }, { onBad: () => {} });
  const error = await t.throwsAsync<TorchsightError>(taken(none));
  t.regex(error?.message ?? "", /expected good samples but found 4 that cannot be used/);
});

test("what was bad before a run was taken up again still counts", async (t) => {
  const options = { shuffle: false, maxBad: 2, onBad: () => {} };
  const data = { length: 40, bad: [1, 2, 30] };
  const first = await ownLoader(data, options);
  await taken(first, 2);
  const second = await ownLoader(data, options);
  second.seek(first.cursor());
  const error = await t.throwsAsync<TorchsightError>(taken(second));
  t.regex(error?.message ?? "", /but found 3 that cannot be used: sample 1; sample 2; sample 30: /);
});

test("without a listener a warning of the process tells of a bad sample", async (t) => {
  const warned = new Promise<Error>((resolve) => process.once("warning", resolve));
  await taken(await ownLoader({ length: 4, bad: [2] }, { dropLast: false }));
  t.is((await warned).message, "a bad sample was left out: sample 2: sample 2 is damaged");
});

test("endless sets have one epoch, in order", async (t) => {
  const scenes = { kind: "shapesworld", options: { size: [8, 8], frames: 1 } } as const;
  const transforms = [{ kind: "pixels" }] as const;
  const loader = await DataLoader.open(scenes, { batch: 2, transforms });
  const first = await taken(loader, 2);
  t.like(loader.cursor(), { epoch: 0, position: 4, samples: null });
  const ranks = [];
  for (const rank of [0, 1]) {
    const part = await DataLoader.open(scenes, { batch: 1, rank, ranks: 2, transforms });
    ranks.push((await taken(part, 2)).map(({ pixel_values }) => pixel_values!));
  }
  const side = 3 * 8 * 8;
  const scene = (batch: number, row: number) =>
    first[batch]!.pixel_values!.slice(row * side, (row + 1) * side);
  t.deepEqual(ranks[0], [scene(0, 0), scene(1, 0)]);
  t.deepEqual(ranks[1], [scene(0, 1), scene(1, 1)]);
});

test("options and cursors that mean nothing are refused", async (t) => {
  const refused: [Partial<DataLoaderOptions>, RegExp][] = [
    [{ batch: 0 }, /for batch/],
    [{ batch: 1.5 }, /for batch/],
    [{ batch: undefined as unknown as number }, /for batch/],
    [{ batch: 11 }, /at most 10, the number of samples/],
    [{ seed: -1 }, /for seed/],
    [{ epochs: 0 }, /for epochs/],
    [{ rank: 2, ranks: 2 }, /whole number below 2 for rank/],
    [{ workers: -1 }, /for workers/],
    [{ prefetch: 0 }, /for prefetch/],
    [{ maxBad: 0.5 }, /for maxBad/],
    [{ transforms: [{ kind: "blur" as "flip" }] }, /the kind of a transform/],
    [{ transforms: [{ kind: "flip", probability: 2 }] }, /for probability/],
    [{ transforms: [{ kind: "resize", size: [0, 4] }] }, /for the height/],
    [{ transforms: [{ kind: "pixels", std: [1, 0, 1] }] }, /std above 0/],
    [{ transforms: [{ kind: "labels", count: 0 }] }, /for count/],
  ];
  for (const [options, message] of refused) {
    const error = await t.throwsAsync<TorchsightError>(ownLoader({ length: 10 }, options), {
      instanceOf: TorchsightError,
    });
    t.is(error?.code, "BAD_INPUT", JSON.stringify(options));
    t.regex(error?.message ?? "", message);
  }
  const loader = await ownLoader({ length: 10 });
  const cursor = loader.cursor() as object;
  for (const wrong of [
    undefined,
    3,
    {},
    { ...cursor, epoch: -1 },
    { ...cursor, position: 0.5 },
    { ...cursor, seed: 1 },
    { ...cursor, samples: 11 },
    { ...cursor, bad: ["x"] },
  ]) {
    const error = t.throws<TorchsightError>(() => loader.seek(wrong), undefined, `${wrong}`);
    t.is(error?.code, "BAD_INPUT");
  }
});

test("samples without arrays, and arrays that do not fit each other, are errors", async (t) => {
  const bare = await DataLoader.open(own({ length: 4 }), { batch: 2, transforms: [] });
  t.is((await t.throwsAsync<TorchsightError>(taken(bare)))?.code, "BAD_CONFIG");
  const sizes = { shortSide: [16, 32], aspect: [0.5, 2] } as const;
  const mixed = await DataLoader.open(
    { kind: "shapesworld", options: { size: sizes, frames: 1 } },
    { batch: 4, workers: 1, transforms: [{ kind: "pixels" }] },
  );
  const error = await t.throwsAsync<TorchsightError>(taken(mixed));
  t.is(error?.code, "SHAPE");
  t.regex(error?.message ?? "", /pixel_values of shape \[3,\d+,\d+\] of clip 1 .*as of clip 0/);
});

test("modules that are no data sets are refused", async (t) => {
  const url = "data:text/javascript,export default () => ({length: 0}); export const odd = 3;";
  const step = { kind: "module", url } as const;
  const odd = DataLoader.open(own({ length: 2 }), { batch: 1, transforms: [step] });
  const error = await t.throwsAsync<TorchsightError>(odd);
  t.regex(error?.message ?? "", /a function of a sample for what data:text/);
  for (const [source, code] of [
    [{ kind: "module", url }, "BAD_INPUT"],
    [{ kind: "module", url, name: "odd" }, "NOT_FOUND"],
    [{ kind: "module", url, name: "none" }, "NOT_FOUND"],
    [{ kind: "module", url: "file:///nowhere/at/all.js" }, "NOT_FOUND"],
    [{ kind: "tar" }, "BAD_INPUT"],
  ] as const) {
    const opened = DataLoader.open(source as DatasetSource, { batch: 1, transforms: TELLING });
    t.is((await t.throwsAsync<TorchsightError>(opened))?.code, code);
  }
});
