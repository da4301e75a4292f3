/** The detector's jobs and lifetimes: cancelling, progress, memory, scopes, what runs at once. */
import { cpSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import type { Job, Progress } from "../../lib/core/job.js";
import { emptyCache, memory } from "../../lib/core/machine.js";
import { tidy } from "../../lib/core/scope.js";
import {
  type ImageEmbedding,
  OwlViT,
  type OwlViTLoadOptions,
} from "../../lib/models/owlvit/index.js";
import { temporary } from "./fixtures.js";
import {
  folderWith,
  noisy,
  sharp,
  smallConfig,
  TYPES,
  tokenizerFolder,
  WIDTH,
} from "./owlvit_models.js";

const PICTURE = noisy(64, 48);
const TEXTS = ["a cat", "dog"];
const ALL = { threshold: 0 };

// Tests run one after another: they count all tensors of the process.
const models = { owlvit: await sharp("owlvit"), owlv2: await sharp("owlv2") };
for (const model of Object.values(models)) await model.detect(PICTURE, TEXTS);

/** Tensors that `work` leaves behind, and their bytes. */
async function leftBy(work: () => Promise<unknown>): Promise<[tensors: number, bytes: number]> {
  const before = memory();
  await work();
  const after = memory();
  return [after.tensors - before.tensors, after.bytes - before.bytes];
}

async function leavesNothing(t: ExecutionContext, name: string, work: () => Promise<unknown>) {
  t.deepEqual(await leftBy(work), [0, 0], name);
}

/** A model that takes its time over a picture. */
async function slow(options: OwlViTLoadOptions = {}): Promise<OwlViT> {
  const config = smallConfig("owlv2");
  const vision_config = { ...config.vision_config, num_hidden_layers: 60 };
  const tokenizer = tokenizerFolder();
  return await OwlViT.random({ ...config, vision_config }, { tokenizer, ...options });
}

for (const type of TYPES) {
  const model = models[type];

  test.serial(`${type}: no call leaves anything behind but its result`, async (t) => {
    using image = await model.embedImage(PICTURE);
    using queries = await model.embedText(TEXTS);
    const pictures = [PICTURE, noisy(20, 70)];
    await leavesNothing(t, "detect", () => model.detect(pictures, TEXTS, { ...ALL, batchSize: 2 }));
    await leavesNothing(t, "of embedded", () => model.detect([image, PICTURE], queries));
    await leavesNothing(t, "example", async () => {
      using query = await model.embedImageQuery(PICTURE);
      await model.detectByExample(PICTURE, [query, query]);
    });
    await leavesNothing(t, "predict", async () =>
      (await model.predict(PICTURE, TEXTS))[Symbol.dispose](),
    );
    await leavesNothing(t, "failures", async () => {
      for (const options of [{ threshold: 2 }, { size: 3 }, { topK: 0 }, { nmsIou: -1 }]) {
        await t.throwsAsync(async () => await model.detect(pictures, TEXTS, options));
      }
      const second = [PICTURE, "/nowhere.png"];
      await t.throwsAsync(async () => await model.embedImage(second), { code: "NOT_FOUND" });
      await t.throwsAsync(async () => await model.detect(second, TEXTS), { code: "NOT_FOUND" });
    });
    t.false(image.tensors.pred_boxes.disposed || queries.tensors.embeds.disposed);
  });

  test.serial(`${type}: fifty embedded pictures, and memory is as it was`, async (t) => {
    emptyCache("cpu");
    const { live } = memory();
    const pictures = Array.from({ length: 50 }, (_, seed) => noisy(64, 48, seed + 1));
    await leavesNothing(t, "one by one", async () => {
      const images: ImageEmbedding[] = [];
      for (const picture of pictures) images.push(await model.embedImage(picture));
      t.true(memory().live > live);
      for (const image of images) image.dispose();
    });
    await leavesNothing(t, "as batches", async () => {
      using images = await model.embedImage(pictures, { batchSize: 8 });
      t.is(images.length, 50);
    });
    emptyCache("cpu");
    t.is(memory().live, live);
  });

  test.serial(`${type}: the latest texts are kept, no more`, async (t) => {
    await using own = await sharp(type);
    const lists = Array.from({ length: 30 }, (_, place) => [`thing ${place}`]);
    const [tensors, bytes] = await leftBy(async () => {
      for (const list of lists) (await own.embedText(list)).dispose();
    });
    t.deepEqual([tensors, bytes], [8, 8 * 4 * WIDTH]);
    const held = await own.embedText(lists[29]!);
    for (const list of lists) (await own.embedText(list)).dispose();
    t.false(held.tensors.embeds.disposed, "what was dropped lives on where it is in use");
    t.true((await own.detect(PICTURE, held, ALL)).length > 0);
    held.dispose();
    await leavesNothing(t, "kept again", async () => (await own.embedText(lists[29]!)).dispose());
  });

  test.serial(`${type}: disposed of, it leaves nothing`, async (t) => {
    emptyCache("cpu");
    const { live } = memory();
    await leavesNothing(t, "a model", async () => {
      await using own = await sharp(type);
      await own.detect(PICTURE, TEXTS);
      const same = ["the same", "texts"];
      const all = await Promise.all([1, 2, 3, 4].map(() => own.embedText(same)));
      for (const one of all) one.dispose();
      t.true(memory().live > live);
    });
    emptyCache("cpu");
    t.is(memory().live, live);
  });

  test.serial(`${type}: scopes free what is made in them`, async (t) => {
    await leavesNothing(t, "all that is made", async () => {
      await tidy(async () => {
        const image = await model.embedImage(PICTURE);
        const [first] = await model.embedImage([PICTURE, PICTURE], { batchSize: 2 });
        const example = await model.embedImageQuery(first!, { index: 3 });
        await model.embedText(TEXTS);
        await model.predict(image, example);
        await model.detect(image, TEXTS);
      });
    });
    await leavesNothing(t, "all but the result", async () => {
      const { image, queries, predictions } = await tidy(async () => ({
        image: await model.embedImage(PICTURE),
        queries: await model.embedText(TEXTS),
        predictions: await model.predict(PICTURE, TEXTS),
      }));
      t.true((await model.detect(image, queries, ALL)).length > 0);
      t.false(predictions.logits.disposed || predictions.pred_boxes.disposed);
      image.dispose();
      queries.dispose();
      predictions[Symbol.dispose]();
    });
    await using fresh = await sharp(type);
    const found = await tidy(() => fresh.detect(PICTURE, TEXTS, ALL));
    t.deepEqual(await fresh.detect(PICTURE, TEXTS, ALL), found, "kept texts outlive the scope");
  });

  test.serial(`${type}: calls at once do not mix`, async (t) => {
    const lists = [TEXTS, ["grass", "sky", "a cat"], ["!"], TEXTS, ["dog"]];
    const pictures = lists.map((_, seed) => noisy(50 + 9 * seed, 40, seed + 1));
    await using fresh = await sharp(type);
    const together = await Promise.all(
      lists.map((list, place) => fresh.detect(pictures[place]!, list, ALL)),
    );
    for (const [place, list] of lists.entries()) {
      t.deepEqual(together[place], await model.detect(pictures[place]!, list, ALL));
    }
  });
}

test.serial("a cancel reaches every call, before and while it runs", async (t) => {
  await using model = await slow();
  using image = await model.embedImage(PICTURE);
  (await model.embedText(TEXTS)).dispose();
  type Control = { signal?: AbortSignal; onProgress?: (progress: Progress) => void };
  const calls: Record<string, (control: Control) => Job<unknown>> = {
    detect: (control) => model.detect([PICTURE, PICTURE], TEXTS, control),
    embedImage: (control) => model.embedImage(PICTURE, control),
    "embedImage of several": (control) => model.embedImage([PICTURE, PICTURE, PICTURE], control),
    embedImageQuery: (control) => model.embedImageQuery(PICTURE, control),
    propose: (control) => model.propose(PICTURE, control),
    predict: (control) => model.predict(PICTURE, TEXTS, control),
    detectByExample: (control) => model.detectByExample(PICTURE, queries, control),
  };
  using queries = await model.embedImageQuery(image);
  for (const [name, call] of Object.entries(calls)) {
    await leavesNothing(t, name, async () => {
      const aborted = async () => await call({ signal: AbortSignal.abort("early") });
      const early = await t.throwsAsync(aborted, { code: "CANCELLED" }, name);
      t.is(early?.cause, "early");
      const controller = new AbortController();
      const onProgress = () => controller.abort("enough");
      const late = await t.throwsAsync(
        async () => await call({ signal: controller.signal, onProgress }),
        { code: "CANCELLED" },
        name,
      );
      t.is(late?.cause, "enough");
      const job = call({});
      job.onProgress(() => job.cancel("stop"));
      await t.throwsAsync(async () => await job, { code: "CANCELLED" }, name);
      t.is(job.state, "cancelled");
    });
  }
  t.true((await model.detect(PICTURE, TEXTS, ALL)).length > 0, "it goes on");
});

test.serial("a cancel at any moment frees what was made", async (t) => {
  await using model = await sharp("owlv2");
  (await model.embedText(TEXTS)).dispose();
  for (const wait of [0, 1, 2, 4, 8, 16]) {
    await leavesNothing(t, `after ${wait} ms`, async () => {
      const jobs = [
        model.embedImage(PICTURE),
        model.embedImage([PICTURE, PICTURE]),
        model.predict(PICTURE, TEXTS),
        model.embedImageQuery(PICTURE),
      ];
      const settled = Promise.allSettled(jobs);
      await new Promise((resolve) => setTimeout(resolve, wait));
      for (const job of jobs) job.cancel();
      for (const one of await settled) {
        if (one.status === "fulfilled") one.value[Symbol.dispose]();
      }
    });
  }
});

test.serial("a result that nobody asked for is freed with its job", async (t) => {
  const model = models.owlv2;
  await leavesNothing(t, "unclaimed", async () => {
    const jobs = [model.embedImage(PICTURE), model.embedImage([PICTURE, PICTURE])];
    while (jobs.some(({ state }) => state === "running")) {
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    for (const job of jobs) job.dispose();
  });
});

test.serial("a deadline ends a call", async (t) => {
  await using model = await slow();
  const error = { code: "DEADLINE" };
  const pictures = Array<typeof PICTURE>(200).fill(PICTURE);
  const job = model.detect(pictures, TEXTS, { deadline: 30 });
  await t.throwsAsync(async () => await job, error);
  t.is(job.state, "expired");
  await t.throwsAsync(async () => await model.embedImage(pictures, { deadline: 30 }), error);
  t.true((await model.detect(PICTURE, TEXTS, { ...ALL, deadline: 60_000 })).length > 0);
});

test.serial("progress is that of the layers", async (t) => {
  await using model = await slow();
  const seen: Progress[] = [];
  await model.detect(PICTURE, TEXTS, { onProgress: (progress) => seen.push(progress) });
  t.true(seen.length > 0);
  t.true(seen.every(({ done, total }) => done <= total));
  t.true(seen.some(({ phase, total }) => phase === "layers" && total === 60));
});

test.serial("disposing of a model while it works", async (t) => {
  await leavesNothing(t, "all calls", async () => {
    const model = await slow();
    const running = [
      model.detect([PICTURE, PICTURE, PICTURE], TEXTS, ALL),
      model.detect(PICTURE, ["something", "else"], ALL),
      model.predict(PICTURE, TEXTS),
      model.embedText(["a text that is on its way"]),
    ];
    const settled = Promise.allSettled<unknown>(running);
    await new Promise((resolve) => setTimeout(resolve, 5));
    await model[Symbol.asyncDispose]();
    for (const one of await settled) {
      if (one.status === "rejected") t.is(one.reason.code, "DISPOSED");
      else (one.value as Partial<Disposable>)[Symbol.dispose]?.();
    }
    for (const work of [
      () => model.detect(PICTURE, TEXTS),
      () => model.embedText(TEXTS),
      () => model.embedImage(PICTURE),
      () => model.save(temporary(t)),
    ]) {
      await t.throwsAsync(async () => await work(), { code: "DISPOSED" });
    }
    model.dispose();
  });
});

test.serial("the end of a worker is an error of the calls that run, no more", async (t) => {
  await using model = await slow({ isolate: true });
  const found = await model.detect(PICTURE, TEXTS, ALL);
  // So large that most of it is still to come when the first layer is done.
  const job = model.detect(PICTURE, TEXTS, { size: 640 });
  const stop = job.onProgress(() => {
    stop();
    process.kill(model.module.pids[0]!, "SIGKILL");
  });
  await t.throwsAsync(async () => await job, { code: "WORKER_FAILED" });
  t.deepEqual(await model.detect(PICTURE, TEXTS, ALL), found);
});

test.serial("an example of one patch does not keep the picture", async (t) => {
  const model = models.owlv2;
  for (const options of [{ index: 3 }, { box: [0, 0, 20, 20] }]) {
    emptyCache("cpu");
    const { live } = memory();
    const image = await model.embedImage(PICTURE);
    using query = await model.embedImageQuery(image, options);
    image.dispose();
    emptyCache("cpu");
    const kept = memory().live - live;
    t.true(kept >= 4 * WIDTH && kept < 16 * WIDTH, `${kept} bytes for ${query.shape}`);
  }
});

test.serial("a model that cannot be used is not kept", async (t) => {
  const folder = temporary(t);
  cpSync(await folderWith("owlv2"), folder, { recursive: true });
  emptyCache("cpu");
  const { live } = memory();
  for (const text of ["{", "[]", '{"size": "large"}']) {
    writeFileSync(join(folder, "preprocessor_config.json"), text);
    await t.throwsAsync(async () => await OwlViT.load(folder), { code: "BAD_CONFIG" });
  }
  emptyCache("cpu");
  t.is(memory().live, live);
});
