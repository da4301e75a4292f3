/** The order of an epoch, and which part of it is whose. */
import test from "ava";
import { TorchsightError } from "../../lib/core/errors.js";
import { MOST_SAMPLES, Permutation, transformRandom } from "../../lib/data/order.js";
import { type Place, Plan } from "../../lib/data/plan.js";
import { chiSquare } from "./shapesworld.js";

const orderOf = (count: number, seed: number, epoch: number) => {
  const order = new Permutation(count, seed, epoch);
  return Array.from({ length: count }, (_, place) => order.at(place));
};

test("an order has each sample once, at any size", (t) => {
  for (const count of [1, 2, 3, 15, 16, 17, 255, 256, 257, 1000, 4097]) {
    const sorted = orderOf(count, 7, 3).sort((a, b) => a - b);
    t.deepEqual(
      sorted,
      Array.from({ length: count }, (_, i) => i),
      `${count}`,
    );
  }
});

test("orders of the largest sets need no memory and stay within bounds", (t) => {
  const order = new Permutation(MOST_SAMPLES - 1, 2 ** 40 + 1, 5);
  const seen = Array.from({ length: 100 }, (_, place) => order.at(place));
  t.is(new Set(seen).size, 100);
  t.true(seen.every((index) => Number.isSafeInteger(index) && index < MOST_SAMPLES));
  t.true(seen.some((index) => index > MOST_SAMPLES / 2));
});

test("seeds and epochs have orders of their own, and the same again", (t) => {
  const orders = [orderOf(50, 1, 0), orderOf(50, 2, 0), orderOf(50, 1, 1)].map(String);
  orders.push(String(orderOf(50, 1 + 2 ** 32, 0)));
  t.is(new Set(orders).size, 4);
  t.is(String(orderOf(50, 1, 0)), orders[0]!);
});

test("orders are drawn evenly", (t) => {
  const orders = new Map<string, number>();
  for (let epoch = 0; epoch < 3000; epoch += 1) {
    const order = String(orderOf(3, 11, epoch));
    orders.set(order, (orders.get(order) ?? 0) + 1);
  }
  t.is(orders.size, 6);
  // 20.5 is exceeded once in a thousand times at 5 degrees of freedom.
  t.true(chiSquare([...orders.values()], new Array(6).fill(500)) < 20.5);
  // Where the first sample goes.
  const places = new Array(10).fill(0);
  for (let epoch = 0; epoch < 3000; epoch += 1) places[orderOf(10, 4, epoch).indexOf(0)] += 1;
  t.true(chiSquare(places, new Array(10).fill(300)) < 27.9);
  // Neighbours do not stay neighbours.
  const order = orderOf(5000, 9, 0);
  const beside = order.filter((index, at) => Math.abs(index - (order[at + 1] ?? -9)) === 1).length;
  t.true(beside < 10, `${beside}`);
});

test("transforms have random numbers by seed, epoch and sample", (t) => {
  const words = [
    [1, 0, 0],
    [2, 0, 0],
    [1, 1, 0],
    [1, 0, 1],
  ].map(([seed, epoch, index]) => transformRandom(seed!, epoch!, index!).word());
  t.is(new Set(words).size, 4);
  t.is(transformRandom(1, 0, 0).word(), words[0]!);
});

/** The places of an order that a rank takes, batch by batch. */
function placesOf(options: Partial<ConstructorParameters<typeof Plan>[0]>, from?: Place) {
  const whole = { samples: 10, batch: 2, rank: 0, ranks: 1, full: true, epochs: 1, ...options };
  const plan = new Plan(whole);
  const batches: number[][] = [];
  let place = from ?? { epoch: 0, position: 0 };
  for (let next = plan.next(place); next; next = plan.next(place)) {
    const { position, count } = next.task;
    batches.push(
      Array.from({ length: count }, (_, at) => position + at * whole.ranks + whole.rank),
    );
    place = next.place;
  }
  return { batches, plan };
}

test("full batches are as many on each rank, and disjoint", (t) => {
  for (const [samples, batch, ranks] of [
    [10, 2, 1],
    [23, 2, 3],
    [100, 7, 4],
    [8, 1, 8],
  ] as const) {
    const all = Array.from({ length: ranks }, (_, rank) => {
      const { batches, plan } = placesOf({ samples, batch, ranks, rank });
      t.is(batches.length, plan.batchesPerEpoch);
      return batches;
    });
    const expected = Math.floor(samples / (batch * ranks));
    t.true(all.every((batches) => batches.length === expected));
    const places = all.flat(2);
    t.is(new Set(places).size, expected * batch * ranks);
    t.true(places.every((place) => place < samples));
  }
});

test("batches that need not be full have every sample once", (t) => {
  for (const [samples, batch, ranks] of [
    [10, 4, 1],
    [23, 2, 3],
    [3, 4, 5],
    [9, 3, 2],
  ] as const) {
    const all = Array.from({ length: ranks }, (_, rank) => {
      const { batches, plan } = placesOf({ samples, batch, ranks, rank, full: false });
      t.is(batches.length, plan.batchesPerEpoch, `${samples} ${batch} ${ranks} ${rank}`);
      return batches;
    });
    t.deepEqual(
      all.flat(2).sort((a, b) => a - b),
      Array.from({ length: samples }, (_, i) => i),
    );
  }
});

test("epochs follow each other, and endless sets do not end", (t) => {
  const { batches } = placesOf({ samples: 5, batch: 2, epochs: 3 });
  t.is(batches.length, 6);
  t.is(placesOf({ samples: 5, batch: 2, epochs: 3 }, { epoch: 1, position: 2 }).batches.length, 3);
  t.is(placesOf({ samples: 5, batch: 2, epochs: 3 }, { epoch: 3, position: 0 }).batches.length, 0);
  const endless = new Plan({
    ...{ samples: Infinity, batch: 8, rank: 1, ranks: 2, full: true, epochs: Infinity },
  });
  t.deepEqual(endless.next({ epoch: 0, position: 2 ** 40 }), {
    task: { epoch: 0, position: 2 ** 40, count: 8 },
    place: { epoch: 0, position: 2 ** 40 + 16 },
  });
  t.is(endless.batchesPerEpoch, Infinity);
  // A rank that has none ends at once, however many epochs there are.
  t.deepEqual(placesOf({ samples: 2, rank: 3, ranks: 4, full: false, epochs: 1e9 }).batches, []);
});

test("too few samples for a batch of all ranks are refused", (t) => {
  const error = t.throws<TorchsightError>(() => placesOf({ samples: 7, batch: 4, ranks: 2 }), {
    instanceOf: TorchsightError,
  });
  t.is(error?.code, "BAD_INPUT");
  t.regex(error?.message ?? "", /at most 7, the number of samples.* but received 8/);
});
