/** Where the cache is and what it has, by files alone. */
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join, resolve } from "node:path";
import test, { type ExecutionContext } from "ava";
import { resolveModel } from "../../lib/core/checkpoint.js";
import type { TorchsightError } from "../../lib/core/errors.js";
import { completeSnapshot, hubCache, parseHubName, snapshotOf } from "../../lib/core/hub-cache.js";
import { ownCache } from "./server.js";

const CACHE = ownCache();
const COMMIT = "0123456789abcdef0123456789abcdef01234567";

test("the cache is where Python has it", (t) => {
  const standard = join(homedir(), ".cache", "huggingface", "hub");
  t.is(hubCache({}), standard);
  t.is(hubCache({ HF_HOME: "" }), standard);
  t.is(hubCache({ XDG_CACHE_HOME: "/x" }), "/x/huggingface/hub");
  t.is(hubCache({ XDG_CACHE_HOME: "/x", HF_HOME: "/h" }), "/h/hub");
  t.is(hubCache({ HF_HOME: "/h", HUGGINGFACE_HUB_CACHE: "/old" }), "/old");
  t.is(hubCache({ HUGGINGFACE_HUB_CACHE: "/old", HF_HUB_CACHE: "/new" }), "/new");
  t.is(hubCache({ HF_HOME: "~/h" }), join(homedir(), "h", "hub"));
  // biome-ignore lint/suspicious/noTemplateCurlyInString: the variable is the cache's to read.
  t.is(hubCache({ HF_HUB_CACHE: "$A/${B}/$C", A: "/a", B: "b" }), "/a/b/$C");
});

test("names of the hub", (t) => {
  t.deepEqual(parseHubName("google/owlvit-base-patch32"), {
    name: "google/owlvit-base-patch32",
    revision: "main",
  });
  t.deepEqual(parseHubName("a_b/c.d@refs/pr/3"), { name: "a_b/c.d", revision: "refs/pr/3" });
  for (const text of [
    ...["", "name", "a/b/c", "/a/b", "a//b", "../b", "a/..", "./b", "a/b.", "-a/b", "a/b--c"],
    ...["a/b.git", "a/b c", "a\\b/c", "a/b@", "a/b@..", "a/b@../../x", "a/b@x/../y", "a/b@/x"],
    ...["a/b@.x", "a/b@x//y", "a/b@x y", "a/b@x@y", `a/${"b".repeat(97)}`, "a/b\n", "é/b"],
  ]) {
    t.is(parseHubName(text), undefined, text);
  }
});

/** Writes files into the folder of a model in the cache. */
function store(name: string, files: Record<string, string>): string {
  const folder = join(CACHE, `models--${name.replace("/", "--")}`);
  for (const [file, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, file)), { recursive: true });
    writeFileSync(join(folder, file), content);
  }
  return folder;
}

const inSnapshot = (name: string) => `snapshots/${COMMIT}/${name}`;
const index = (map: unknown) => JSON.stringify({ weight_map: map });

test("a snapshot is found by a branch, a nested reference, and its commit", (t) => {
  const folder = store("org/found", {
    "refs/main": `${COMMIT}\n`,
    "refs/refs/pr/1": COMMIT,
    [inSnapshot("model.safetensors")]: "weights",
  });
  const snapshot = join(folder, "snapshots", COMMIT);
  for (const revision of ["", "@main", "@refs/pr/1", `@${COMMIT}`]) {
    t.is(resolveModel(`org/found${revision}`), snapshot);
  }
  t.is(snapshotOf({ name: "org/found", revision: "other" }), undefined);
});

test("a reference that leads out of the cache is none", (t) => {
  store("org/hostile", { "refs/main": "../../../x" });
  t.is(snapshotOf({ name: "org/hostile", revision: "main" }), undefined);
});

test("a local path goes first", (t) => {
  store("lib/hub", { "refs/main": COMMIT, [inSnapshot("model.safetensors")]: "weights" });
  t.is(resolveModel("lib/hub"), resolve("lib/hub"));
});

function refused(t: ExecutionContext, name: string, reason: string, message: RegExp): void {
  const error = t.throws(() => resolveModel(name), { code: "NOT_FOUND", message });
  t.is((error as TorchsightError).reason, reason);
}

test("an absent model: the message says what to do", (t) => {
  refused(
    t,
    "org/absent",
    "NOT_CACHED",
    /`npx torchsight pull org\/absent` or pull\("org\/absent"\)/,
  );
  refused(t, "org/absent", "NOT_CACHED", new RegExp(`no model org/absent, .*\\(${CACHE}\\)`));
  const other = /`npx torchsight pull org\/absent --revision v1` or pull\(.*\{ revision: "v1" \}\)/;
  refused(t, "org/absent@v1", "NOT_CACHED", other);
  t.throws(() => resolveModel("../absent"), { message: "there is no model ../absent" });
});

test("an incomplete model: the message says what is missing and what to do", (t) => {
  store("org/begun", { "refs/main": COMMIT, [inSnapshot("config.json")]: "{}" });
  refused(
    t,
    "org/begun",
    "INCOMPLETE",
    /lacks model\.safetensors: `npx torchsight pull org\/begun`/,
  );
  store("org/unnamed", { [inSnapshot("config.json")]: "{}", "blobs/0.incomplete": "x" });
  refused(t, "org/unnamed", "INCOMPLETE", /not all of main: `npx torchsight pull org\/unnamed`/);
  const folder = store("org/dangling", { "refs/main": COMMIT, [inSnapshot("config.json")]: "{}" });
  symlinkSync("../../blobs/gone", join(folder, inSnapshot("model.safetensors")));
  refused(t, "org/dangling", "INCOMPLETE", /lacks model\.safetensors/);
});

test("a model in shards is complete once each is there", (t) => {
  const shards = ["model-1.safetensors", "model-2.safetensors"] as const;
  const files = {
    "refs/main": COMMIT,
    [inSnapshot("model.safetensors.index.json")]: index({ a: shards[0], b: shards[1] }),
    [inSnapshot(shards[0])]: "a",
  };
  store("org/shards", files);
  refused(t, "org/shards", "INCOMPLETE", /lacks model-2\.safetensors/);
  const folder = store("org/shards", { [inSnapshot(shards[1])]: "b" });
  t.is(resolveModel("org/shards"), join(folder, "snapshots", COMMIT));
});

for (const [name, text, reason] of [
  ["no JSON", "{", "INDEX_MALFORMED"],
  ["no object", "null", "NO_WEIGHT_MAP"],
  ["a list", index(["a"]), "NO_WEIGHT_MAP"],
  ["no tensors", index({}), "WEIGHT_MAP_EMPTY"],
  ["a number", index({ a: 1 }), "SHARD_NAME"],
  ["a way up", index({ a: "../a.safetensors" }), "SHARD_NAME"],
  ["a parent", index({ a: ".." }), "SHARD_NAME"],
  ["a folder", index({ a: "b/a.safetensors" }), "SHARD_NAME"],
  ["an absolute path", index({ a: "/etc/passwd" }), "SHARD_NAME"],
  ["a drive", index({ a: "C:a.safetensors" }), "SHARD_NAME"],
  ["a backslash", index({ a: "b\\a.safetensors" }), "SHARD_NAME"],
  ["a NUL", index({ a: "a\0.safetensors" }), "SHARD_NAME"],
] as const) {
  test(`an index with ${name} is refused`, (t) => {
    const model = `org/index-${name.replaceAll(" ", "-")}`;
    const file = inSnapshot("model.safetensors.index.json");
    store(model, { "refs/main": COMMIT, [file]: text });
    const hub = parseHubName(model);
    const error = t.throws(() => completeSnapshot(hub!), { code: "BAD_CHECKPOINT" });
    t.is((error as TorchsightError).reason, reason);
  });
}
