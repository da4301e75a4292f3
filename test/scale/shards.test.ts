/** Checkpoints that ranks have saved: read by any number of others, in parts, never mixed up. */
import { createHash } from "node:crypto";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { openCheckpoint } from "../../lib/core/checkpoint.js";
import { randn } from "../../lib/core/create.js";
import { readTensors, writeTensors } from "../../lib/core/files.js";
import { createModule, GROUPS, LAYOUTS, type LoadOptions, load } from "../../lib/core/load.js";
import { ops } from "../../lib/core/ops.js";
import { reshard } from "../../lib/core/reshard.js";
import "../../lib/models/index.js";
import type { Tensor } from "../../lib/core/tensor.js";
import { parseConfig } from "../../lib/models/vit22b/config.js";
import { agrees, fixture, temporary } from "../models/fixtures.js";
import { timmShapes } from "../models/layouts.js";

const CONFIG = {
  model_type: "vit22b",
  hidden_size: 48,
  num_hidden_layers: 2,
  num_attention_heads: 12,
  intermediate_size: 96,
  image_size: 20,
  patch_size: 4,
  num_labels: 4,
};
const MANIFEST = "torchsight-shards.json";
const WHOLE = "model.safetensors";

/** Saves the same random model by these ranks. */
async function saved(folder: string, options: LoadOptions = {}, config: object = CONFIG) {
  await using model = await createModule(config, { seed: 5, ...options });
  await model.save(folder);
  return folder;
}

const shardFiles = (folder: string) =>
  readdirSync(folder).filter((name) => name.startsWith("model-rank-"));

for (const group of GROUPS) {
  for (const ranks of [2, 4]) {
    test(`${ranks} ${group} ranks save what 1, 2, 3 and 4 load as the same model`, async (t) => {
      const folder = temporary(t);
      const options = { tensorParallel: ranks, group } as const;
      const sharded = await saved(join(folder, "ranks"), options);
      t.is(shardFiles(sharded).length, ranks);
      t.true(existsSync(join(sharded, MANIFEST)));
      t.false(existsSync(join(sharded, WHOLE)));
      using pixel_values = randn([2, 3, 20, 20]);
      await using whole = await createModule(CONFIG, { seed: 5 });
      using expected = await whole.call("encode", { pixel_values });
      for (const [index, loading] of [1, 2, 3, 4].entries()) {
        const layout = LAYOUTS[index % LAYOUTS.length];
        await using again = await load(sharded, { tensorParallel: loading, layout, group });
        t.deepEqual(again.config, whole.config);
        using got = await again.call("encode", { pixel_values });
        const gate = loading === 1 ? 0 : 2e-5;
        await agrees(t, `${loading}`, got.pooler_output!, expected.pooler_output!, gate);
      }
      // Put together again, the file is that of a model that was never divided, byte for byte.
      await reshard(sharded, join(folder, "back"), { ranks: 1 });
      await saved(join(folder, "whole"));
      const bytes = (name: string) => readFileSync(join(folder, name, WHOLE));
      t.true(bytes("back").equals(bytes("whole")));
    });
  }
}

test("8 gloo ranks hold slices of the full weights, bit for bit", async (t) => {
  const folder = temporary(t);
  const config = { ...CONFIG, num_attention_heads: 24 };
  await saved(join(folder, "ranks"), { tensorParallel: 8, threads: 1 }, config);
  t.is(shardFiles(join(folder, "ranks")).length, 8);
  await reshard(join(folder, "ranks"), join(folder, "back"), { ranks: 1 });
  await saved(join(folder, "whole"), {}, config);
  const bytes = (name: string) => readFileSync(join(folder, name, WHOLE));
  t.true(bytes("back").equals(bytes("whole")));
});

test("a mesh saves one of its replicas", async (t) => {
  const folder = await saved(temporary(t), { tensorParallel: 2, dataParallel: 2, group: "local" });
  t.is(shardFiles(folder).length, 2);
  await using again = await load(folder, { tensorParallel: 3, group: "local" });
  t.is(again.parameters.length, openCheckpoint(join(folder, MANIFEST)).tensors.length);
});

test("a rank's process reads its own part alone", async (t) => {
  if (!existsSync("/proc/self/io")) {
    t.log("skipped: this system does not count the bytes that a process reads");
    t.pass();
    return;
  }
  // Wide rows, so that columns of them are worth reading by themselves; 38 MB of weights.
  const wide = { num_hidden_layers: 1, intermediate_size: 98_304, pooling: "mean" };
  const config = { ...CONFIG, ...wide };
  const folder = await saved(temporary(t), { tensorParallel: 3 }, config);
  const bytesRead = (pid: number) =>
    Number(/rchar: (\d+)/.exec(readFileSync(`/proc/${pid}/io`, "utf8"))?.[1]);
  const { tensors } = openCheckpoint(join(folder, MANIFEST));
  const size = (cut: boolean) =>
    tensors.reduce((sum, one) => sum + (cut === (one.pieces !== undefined) ? one.bytes : 0), 0);
  for (const tensorParallel of [2, 4]) {
    await using random = await createModule(config, { tensorParallel });
    await using loaded = await load(folder, { tensorParallel });
    const own = size(true) / tensorParallel + size(false);
    for (const [rank, pid] of loaded.pids.entries()) {
      // What a worker reads of its libraries and of the messages to it is in both.
      const read = bytesRead(pid) - bytesRead(random.pids[rank]!);
      t.true(read > own * 0.99 && read < own * 1.05, `${read} bytes read, ${own} needed`);
    }
  }
});

/** Divides every matrix of a safetensors file into two files, as a manifest tells of them. */
async function divide(file: string, folder: string) {
  const mark = "0123456789abcdef";
  using tensors = await readTensors(file);
  const parts: Record<string, Tensor>[] = [{}, {}];
  const told = Object.entries(tensors).map(([name, tensor]) => {
    const { shape } = tensor;
    const cut = shape.length - 1;
    const length = shape[cut]!;
    if (shape.length < 2 || length < 2) {
      parts[0]![name] = tensor;
      return { name, dtype: "F32", shape, file: 0 };
    }
    const middle = Math.floor(length / 3) + 1;
    const pieces = [
      { file: 0, begin: 0, length: middle },
      { file: 1, begin: middle, length: length - middle },
    ];
    for (const piece of pieces) {
      const part = ops.narrow(tensor, cut, piece.begin, piece.length);
      parts[piece.file]![name] = ops.contiguous(part);
    }
    return { name, dtype: "F32", shape, cut, pieces };
  });
  const files: object[] = [];
  for (const [rank, part] of parts.entries()) {
    const name = `model-rank-0000${rank}-of-00002-${mark}.safetensors`;
    await writeTensors(join(folder, name), part, { metadata: { torchsight_save: mark } });
    const bytes = readFileSync(join(folder, name));
    const header = bytes.subarray(8, 8 + Number(bytes.readBigUInt64LE(0)));
    const digest = createHash("sha1").update(header).digest("hex");
    files.push({ name, bytes: bytes.length, header: digest });
  }
  const facts = { format: "torchsight-shards", version: 1, ranks: 2, layout: "tokens" };
  const manifest = { ...facts, dtype: "float32", files, tensors: told };
  writeFileSync(join(folder, MANIFEST), JSON.stringify(manifest));
}

test("names of another code base are read from pieces as from a whole", async (t) => {
  const root = temporary(t);
  const [whole, pieces] = [join(root, "whole"), join(root, "pieces")];
  const config = { ...CONFIG, norm: "rmsnorm", qk_norm: "rmsnorm" };
  for (const folder of [whole, pieces]) {
    mkdirSync(folder);
    writeFileSync(join(folder, "config.json"), JSON.stringify(config));
  }
  const shapes = timmShapes(parseConfig(config), { fusedOut: false });
  const tensors = Object.entries(shapes).map(([name, shape]) => [name, ops.mul(randn(shape), 0.2)]);
  await writeTensors(join(whole, WHOLE), Object.fromEntries(tensors));
  await divide(join(whole, WHOLE), pieces);
  using pixel_values = randn([2, 3, 20, 20]);
  await using model = await load(whole);
  using expected = await model.call("classify", { pixel_values });
  for (const tensorParallel of [1, 3]) {
    await using other = await load(pieces, { tensorParallel, group: "local" });
    using got = await other.call("classify", { pixel_values });
    const gate = tensorParallel === 1 ? 0 : 5e-5;
    await agrees(t, "logits", got.logits!, expected.logits!, gate);
  }
});

test("re-sharding keeps dtypes, brings what stands beside, and knows npz", async (t) => {
  const root = temporary(t);
  const from = join(root, "from");
  await saved(from, { dtype: "bfloat16" });
  const config = `${readFileSync(join(from, "config.json"), "utf8").trimEnd()}\n\n`;
  writeFileSync(join(from, "config.json"), config);
  writeFileSync(join(from, "preprocessor_config.json"), "{}");
  const seen: string[] = [];
  const onProgress = ({ phase }: { phase: string }) => seen.push(phase);
  await reshard(from, join(root, "2"), { ranks: 2, layout: "features", onProgress });
  t.true(seen.includes("reshard"));
  t.is(readFileSync(join(root, "2", "config.json"), "utf8"), config);
  t.true(existsSync(join(root, "2", "preprocessor_config.json")));
  const { tensors, metadata } = openCheckpoint(join(root, "2", MANIFEST));
  t.deepEqual(metadata, { ranks: 2, layout: "features", dtype: "bfloat16" });
  t.true(tensors.every(({ dtype }) => dtype === "bfloat16"));
  await reshard(join(root, "2"), join(root, "1"), { ranks: 1, shardBytes: 20_000 });
  const { tensors: whole, files } = openCheckpoint(join(root, "1", `${WHOLE}.index.json`));
  t.true(files.length > 2);
  t.deepEqual(
    whole.map(({ name, bytes }) => [name, bytes]).toSorted(),
    tensors.map(({ name, bytes }) => [name, bytes]).toSorted(),
  );
  const npz = fixture("vit22b_layouts", "augreg", "model.npz");
  await reshard(npz, join(root, "npz"), { ranks: 1 });
  await using plain = await load(npz);
  await using model = await load(join(root, "npz"));
  t.deepEqual(model.config, plain.config);
  t.deepEqual(model.parameters, plain.parameters);
});

test("the config comes from the manifest where its file is gone", async (t) => {
  const folder = await saved(temporary(t), { tensorParallel: 2, group: "local" });
  const bare = temporary(t);
  for (const name of [MANIFEST, ...shardFiles(folder)]) {
    copyFileSync(join(folder, name), join(bare, name));
  }
  await using model = await load(bare);
  t.is(model.config.intermediate_size, CONFIG.intermediate_size);
});

async function refuses(t: ExecutionContext, work: () => PromiseLike<unknown>, code: string) {
  return await t.throwsAsync(async () => await work(), { code });
}

test("what is wrong with files of ranks is told by its code and reason", async (t) => {
  const folder = await saved(temporary(t), { tensorParallel: 2, group: "local" });
  const other = await saved(temporary(t), { tensorParallel: 2, group: "local" });
  const manifest = readFileSync(join(folder, MANIFEST), "utf8");
  const [first, second] = shardFiles(folder).toSorted() as [string, string];
  const reason = async (name: string, content: string | Buffer) => {
    const kept = readFileSync(join(folder, name));
    writeFileSync(join(folder, name), content);
    const error = await refuses(t, () => load(folder, { tensorParallel: 2 }), "BAD_CHECKPOINT");
    writeFileSync(join(folder, name), kept);
    return (error as { reason?: string }).reason;
  };
  t.is(await reason(MANIFEST, manifest.slice(0, -20)), "MANIFEST_MALFORMED");
  t.is(await reason(MANIFEST, manifest.replace(second, "../x.safetensors")), "PATH_PARENT");
  t.is(await reason(MANIFEST, manifest.replace(second, "gone.safetensors")), "MISSING_SHARD");
  t.is(await reason(second, readFileSync(join(folder, second)).subarray(0, -4)), "SHARD_SIZE");
  const [otherFirst] = shardFiles(other).toSorted() as [string];
  const swapped = readFileSync(join(other, otherFirst));
  t.is(await reason(first, swapped), "SHARD_OF_OTHER_SAVE");
  await using good = await load(folder);
  t.is(good.config.model_type, "vit22b");
});

test("what cannot be divided says what can", async (t) => {
  const root = temporary(t);
  const from = await saved(join(root, "from"));
  const to = join(root, "to");
  const error = await refuses(t, () => reshard(from, to, { ranks: 5 }), "BAD_CONFIG");
  t.regex(error?.message ?? "", /num_attention_heads .* ranks that fit: 1, 2, 3, 4, 6, 12$/);
  await refuses(t, () => reshard(from, to, { ranks: 0 }), "BAD_INPUT");
  await refuses(t, () => reshard(from, to, { ranks: 2, layout: "x" as "tokens" }), "BAD_INPUT");
  await refuses(t, () => reshard(join(root, "none"), to, { ranks: 2 }), "NOT_FOUND");
  t.false(existsSync(join(to, MANIFEST)));
  await refuses(t, () => reshard(fixture("owlvit", "base"), to, { ranks: 2 }), "UNSUPPORTED");
  const file = join(from, "config.json");
  await refuses(t, () => reshard(from, file, { ranks: 2 }), "BAD_INPUT");
  await refuses(t, () => saved(file, { tensorParallel: 2, group: "local" }), "BAD_INPUT");
  await refuses(t, () => saved(file), "BAD_INPUT");
});

/** 150 MB, so that what happens at the first progress comes while they are written. */
const LARGE = { ...CONFIG, num_hidden_layers: 8, intermediate_size: 49_152, pooling: "mean" };

test.serial("a rank that is killed while it saves leaves no weights either", async (t) => {
  const folder = temporary(t);
  await using model = await createModule(LARGE, { seed: 5, tensorParallel: 2 });
  const [, pid] = model.pids;
  const saving = model.save(folder);
  let killed = false;
  saving.onProgress(() => {
    if (!killed) killed = process.kill(pid!, "SIGKILL");
  });
  await refuses(t, () => saving, "RANK_FAILED");
  t.false(existsSync(join(folder, MANIFEST)));
  await refuses(t, () => load(folder), "BAD_CHECKPOINT");
  await model.save(folder); // by new workers
  t.not(model.pids[1], pid);
  const files = readdirSync(folder).toSorted();
  t.deepEqual(files, ["config.json", ...shardFiles(folder).toSorted(), MANIFEST]);
  t.is(files.length, 4);
});

test.serial("a save that is cancelled leaves no weights, and the model usable", async (t) => {
  const folder = temporary(t);
  await using model = await createModule(LARGE, { seed: 5, tensorParallel: 2 });
  const pids = [...model.pids];
  const saving = model.save(folder);
  saving.onProgress(() => saving.cancel());
  await refuses(t, () => saving, "CANCELLED");
  t.false(existsSync(join(folder, MANIFEST)));
  await refuses(t, () => load(folder), "BAD_CHECKPOINT");
  await model.save(folder);
  t.deepEqual(model.pids, pids, "no worker was started anew");
  await using again = await load(folder);
  t.is(again.config.model_type, "vit22b");
});
