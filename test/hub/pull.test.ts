/** Models from a hub into the cache: what is brought, where it lies, and what is refused. */
import {
  existsSync,
  lstatSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import test from "ava";
import { TorchsightError } from "../../lib/core/errors.js";
import type { Progress } from "../../lib/core/job.js";
import { load } from "../../lib/core/load.js";
import { locate, pull } from "../../lib/hub/index.js";
import { agrees, fixture, tensorsOf } from "../models/fixtures.js";
import { CONFIG, FakeHub, type Files, gitBlob, ownCache, sha256, TINY, WEIGHTS } from "./server.js";

const CACHE = ownCache();
const BASE = fixture("vit22b", "base");
const WANTED = ["config.json", "preprocessor_config.json", "vocab.json", "model.safetensors"];

const folderOf = (name: string) => join(CACHE, `models--${name.replace("/", "--")}`);

test("a model is brought and loaded by its name", async (t) => {
  const hub = await FakeHub.start(t);
  const commit = hub.publish("org/tiny", TINY);
  const { path, files } = await pull("org/tiny", hub.options());
  t.deepEqual(files, WANTED);
  t.is(path, join(folderOf("org/tiny"), "snapshots", commit));
  t.deepEqual(readdirSync(path).sort(), WANTED.toSorted());
  for (const file of files) t.true(readFileSync(join(path, file)).equals(TINY[file]!), file);

  await using model = await load("org/tiny");
  const { pixel_values } = await tensorsOf(join(BASE, "inputs.safetensors"));
  const { last_hidden_state } = await model.call("encode", { pixel_values: pixel_values! });
  const expected = await tensorsOf(join(BASE, "expected.safetensors"));
  await agrees(t, "features", last_hidden_state!, expected.last_hidden_state!);
});

test("the layout is Python's: blobs by content, links, a reference", async (t) => {
  const hub = await FakeHub.start(t);
  const commit = hub.publish("org/layout", TINY);
  const { path } = await pull("org/layout", hub.options());
  const folder = folderOf("org/layout");
  t.is(readFileSync(join(folder, "refs", "main"), "utf8"), commit);
  const blobs = WANTED.map((file) => {
    const content = TINY[file]!;
    return file === "model.safetensors" ? sha256(content) : gitBlob(content);
  });
  t.deepEqual(readdirSync(join(folder, "blobs")).sort(), blobs.toSorted());
  t.true(lstatSync(join(path, "config.json")).isSymbolicLink());
  t.is(readlinkSync(join(path, "config.json")), join("..", "..", "blobs", gitBlob(CONFIG)));
});

test("what is there is not brought again", async (t) => {
  const hub = await FakeHub.start(t);
  hub.publish("org/twice", TINY);
  const first = await pull("org/twice", hub.options());
  hub.asked.length = 0;
  t.deepEqual(await pull("org/twice", hub.options()), first);
  t.deepEqual(
    hub.asked.filter(({ path }) => !path.startsWith("/api/")),
    [],
  );
  const commit = hub.publish("org/twice", { ...TINY, "config.json": Buffer.from("{ }") });
  const next = await pull("org/twice", hub.options());
  t.is(next.path, join(folderOf("org/twice"), "snapshots", commit));
  t.is(hub.asksFor("config.json").length, 1);
  t.is(hub.asksFor("model.safetensors").length, 0, "the same content is linked");
  t.is(await locate("org/twice"), next.path);
});

test("a file of the wrong length in the cache is brought again", async (t) => {
  const hub = await FakeHub.start(t);
  hub.publish("org/cut", TINY);
  await pull("org/cut", hub.options());
  writeFileSync(join(folderOf("org/cut"), "blobs", sha256(WEIGHTS)), "half");
  const { path } = await pull("org/cut", hub.options());
  t.true(readFileSync(join(path, "model.safetensors")).equals(WEIGHTS));
});

test("progress counts bytes, never turns back, and ends at the total", async (t) => {
  const hub = await FakeHub.start(t);
  hub.publish("org/progress", TINY);
  const seen: Progress[] = [];
  await pull("org/progress", hub.options({ onProgress: (progress) => seen.push(progress) }));
  const total = WANTED.reduce((sum, file) => sum + TINY[file]!.length, 0);
  t.deepEqual(seen[0], { done: 0, total: 0, phase: "listing" });
  t.deepEqual(seen.at(-1), { done: total, total, phase: "model.safetensors" });
  t.true(seen.slice(1).every((one) => one.total === total));
  t.true(seen.every(({ done }, i) => done >= (seen[i - 1]?.done ?? 0)));
});

const sharded = (map: Record<string, string>): Files => ({
  "config.json": CONFIG,
  "model.safetensors.index.json": Buffer.from(JSON.stringify({ weight_map: map })),
  "one.safetensors": Buffer.from("one"),
  "other.safetensors": Buffer.from("not of the model"),
  "two.safetensors": Buffer.from("two"),
});

test("the shards that an index names are brought, and the index", async (t) => {
  const hub = await FakeHub.start(t);
  hub.publish("org/sharded", sharded({ a: "one.safetensors", b: "two.safetensors" }));
  const seen: Progress[] = [];
  const onProgress = (progress: Progress) => seen.push(progress);
  const { path, files } = await pull("org/sharded", hub.options({ onProgress }));
  const shards = ["one.safetensors", "two.safetensors"];
  t.deepEqual(files, ["config.json", ...shards, "model.safetensors.index.json"]);
  t.deepEqual(readdirSync(path).sort(), files.toSorted());
  t.is(seen.at(-1)?.done, seen.at(-1)?.total);
  t.is(hub.asksFor("model.safetensors.index.json").length, 1);
});

for (const shard of ["../../secret", "/etc/passwd", "a/b.safetensors", "..", "x\\y"]) {
  test(`an index that names ${shard} is refused before any request for it`, async (t) => {
    const hub = await FakeHub.start(t);
    const name = `org/hostile-${shard.replace(/\W/g, "_")}x`;
    hub.publish(name, sharded({ a: "one.safetensors", b: shard }));
    const error = await t.throwsAsync(pull(name, hub.options()), { code: "BAD_CHECKPOINT" });
    t.true(error instanceof TorchsightError && error.message.includes(JSON.stringify(shard)));
    t.deepEqual(
      hub.asked.filter(({ path }) => !path.startsWith("/api/")).map(({ path }) => path),
      hub.asksFor("model.safetensors.index.json").map(({ path }) => path),
    );
    t.false(existsSync(join(folderOf(name), "snapshots")), "nothing can be loaded");
  });
}

test("an index that names a file the model has not is refused", async (t) => {
  const hub = await FakeHub.start(t);
  hub.publish("org/missing", sharded({ a: "three.safetensors" }));
  await t.throwsAsync(pull("org/missing", hub.options()), {
    code: "BAD_CHECKPOINT",
    message: /model\.safetensors\.index\.json of org\/missing names but there is no three/,
  });
});

test("a model without safetensors: the message tells of a conversion", async (t) => {
  const hub = await FakeHub.start(t);
  hub.publish("org/pickle", { "config.json": CONFIG, "pytorch_model.bin": Buffer.from("x") });
  const commit = hub.publish("org/pickle", TINY, "refs/pr/7");
  await t.throwsAsync(pull("org/pickle", hub.options()), {
    code: "UNSUPPORTED",
    message: /`npx torchsight pull org\/pickle --revision refs\/pr\/NUMBER`/,
  });
  const revision = "refs/pr/7";
  const { path } = await pull("org/pickle", hub.options({ revision }));
  t.is(readFileSync(join(folderOf("org/pickle"), "refs", revision), "utf8"), commit);
  t.is(await locate("org/pickle@refs/pr/7"), path);
  t.is(await locate("org/pickle", { revision }), path);
  t.is((await pull("org/pickle@refs/pr/7", hub.options())).path, path);
  t.is((await pull("org/pickle", hub.options({ revision: commit }))).path, path);
  await t.throwsAsync(locate("org/pickle"), { code: "NOT_FOUND" });
});

test("single files, in folders as well", async (t) => {
  const hub = await FakeHub.start(t);
  const files = { ...TINY, "sub/a b.json": Buffer.from("[]") };
  hub.publish("org/files", files);
  const wanted = ["README.md", "sub/a b.json"];
  const { path, files: brought } = await pull("org/files", hub.options({ files: wanted }));
  t.deepEqual(brought, wanted);
  t.is(readFileSync(join(path, "sub", "a b.json"), "utf8"), "[]");
  t.deepEqual(readdirSync(path).sort(), ["README.md", "sub"]);
  const pulling = (file: string) => pull("org/files", hub.options({ files: [file] }));
  await t.throwsAsync(pulling("none.json"), { code: "NOT_FOUND", message: /no file none\.json/ });
  for (const name of ["../x", "/x", "a/../x", "a//x", "a\\x", "", "C:x"]) {
    await t.throwsAsync(pulling(name), { code: "BAD_INPUT" }, name);
  }
});

test("single files do not take the place of a whole model", async (t) => {
  const hub = await FakeHub.start(t);
  hub.publish("org/single", TINY);
  const whole = await pull("org/single", hub.options());
  hub.publish("org/single", { ...TINY, "README.md": Buffer.from("# Another") });
  const files = ["README.md"];
  const single = await pull("org/single", hub.options({ files }));
  t.not(single.path, whole.path);
  t.is(await locate("org/single"), whole.path);
  const offline = { localFilesOnly: true, files };
  await t.throwsAsync(pull("org/single", hub.options(offline)), { code: "NOT_FOUND" });
  const first = await pull("org/first", hub.options({ ...offline })).catch(({ code }) => code);
  t.is(first, "NOT_FOUND");
  hub.publish("org/first", TINY);
  const brought = await pull("org/first", hub.options({ files }));
  t.deepEqual(await pull("org/first", hub.options(offline)), brought);
});

test("locate: no request unless it is allowed, then the cache", async (t) => {
  const hub = await FakeHub.start(t);
  hub.publish("org/locate", TINY);
  await t.throwsAsync(locate("org/locate", hub.options()), { code: "NOT_FOUND" });
  t.is(hub.asked.length, 0);
  const options = hub.options({ localFilesOnly: false });
  const path = await locate("org/locate", options);
  t.true(existsSync(join(path, "model.safetensors")));
  const asked = hub.asked.length;
  t.is(await locate("org/locate", options), path);
  t.is(hub.asked.length, asked, "what the cache has is not asked for");
  t.is(await locate(BASE, options), BASE);
  await t.throwsAsync(locate("../nowhere", options), { code: "NOT_FOUND" });
});

test("localFilesOnly makes no request", async (t) => {
  const hub = await FakeHub.start(t);
  hub.publish("org/offline", TINY);
  const pulled = await pull("org/offline", hub.options());
  hub.asked.length = 0;
  const options = hub.options({ localFilesOnly: true });
  const again = await pull("org/offline", options);
  t.is(again.path, pulled.path);
  t.deepEqual(again.files, WANTED.toSorted());
  await t.throwsAsync(pull("org/other", options), {
    code: "NOT_FOUND",
    message: /`npx torchsight pull org\/other` .* once localFilesOnly is left out$/,
  });
  const files = ["README.md"];
  await t.throwsAsync(pull("org/offline", { ...options, files }), { code: "NOT_FOUND" });
  t.deepEqual(hub.asked, []);
});

test.serial("HF_HUB_OFFLINE makes no request", async (t) => {
  const hub = await FakeHub.start(t);
  hub.publish("org/unplugged", TINY);
  process.env.HF_HUB_OFFLINE = "yes";
  try {
    await t.throwsAsync(pull("org/unplugged", hub.options({ localFilesOnly: false })), {
      code: "NOT_FOUND",
      message: /once HF_HUB_OFFLINE is unset$/,
    });
  } finally {
    delete process.env.HF_HUB_OFFLINE;
  }
  t.deepEqual(hub.asked, []);
});

test.serial("HF_HUB_DISABLE_SYMLINKS: files in place of links", async (t) => {
  const hub = await FakeHub.start(t);
  hub.publish("org/copies", TINY);
  process.env.HF_HUB_DISABLE_SYMLINKS = "1";
  try {
    const { path } = await pull("org/copies", hub.options());
    t.true(lstatSync(join(path, "model.safetensors")).isFile());
    t.is(await locate("org/copies"), path);
  } finally {
    delete process.env.HF_HUB_DISABLE_SYMLINKS;
  }
});
