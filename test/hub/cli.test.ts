/** `pull` as a process, and commands that take a model of the hub by its name. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import test from "ava";
import { interrupted, torchsight } from "../cli/run.js";
import { CONFIG, FakeHub, ownCache, WEIGHTS } from "./server.js";

const CACHE = ownCache();
const PHOTO = fileURLToPath(new URL("../../assets/photos/chelsea.jpg", import.meta.url));
const HALF = WEIGHTS.length >> 1;
const TINY = { "config.json": CONFIG, "model.safetensors": WEIGHTS };

let hub: FakeHub;
test.before(async () => {
  hub = await FakeHub.open();
  process.env.HF_ENDPOINT = hub.endpoint;
});
test.after.always(() => hub.stop());

test("pull, then encode by the name", async (t) => {
  const commit = hub.publish("org/tiny", TINY);
  const encode = ["encode", "--model", "org/tiny", "--image", PHOTO, "--json"];
  const before = await torchsight(...encode);
  t.is(before.code, 1);
  t.regex(before.last, /^NOT_FOUND: .*`npx torchsight pull org\/tiny`/);
  const pulled = await torchsight("pull", "org/tiny", "--json");
  t.is(pulled.code, 0, pulled.stderr);
  t.is(pulled.stderr, "");
  t.deepEqual(JSON.parse(pulled.stdout), {
    path: join(CACHE, "models--org--tiny", "snapshots", commit),
    files: ["config.json", "model.safetensors"],
  });
  const after = await torchsight(...encode);
  t.is(after.code, 0, after.stderr);
  t.is(JSON.parse(after.stdout).features.length, 24);
});

test("pull of a revision, as text", async (t) => {
  const commit = hub.publish("org/revision", TINY, "v2");
  const ran = await torchsight("pull", "org/revision", "--revision", "v2");
  t.is(ran.code, 0, ran.stderr);
  const path = join(CACHE, "models--org--revision", "snapshots", commit);
  t.is(ran.stdout, `${path}\n  config.json\n  model.safetensors\n`);
});

for (const [what, code, line, words] of [
  ["no name", 2, /^USAGE: missing NAME$/, []],
  ["a path", 1, /^BAD_INPUT: expected org\/name/, ["./x"]],
  ["an unknown model", 1, /^NOT_FOUND: .* has no org\/none/, ["org/none"]],
] as const) {
  test(`pull with ${what}`, async (t) => {
    const ran = await torchsight("pull", ...words);
    t.is(ran.code, code, ran.stderr);
    t.regex(ran.last, line);
    t.is(ran.stdout, "");
  });
}

test("an interrupt ends it with 130, and the same command goes on", async (t) => {
  hub.publish("org/long", TINY);
  const halfSent = new Promise<void>((resolve) => {
    hub.fault = ({ where, path, range }, response, content) => {
      if (where !== "cdn" || !path.includes("org/long") || range !== undefined) return false;
      response.writeHead(200, { "content-length": content.length });
      response.write(content.subarray(0, HALF));
      // Time for the bytes to arrive: what did not is asked for again.
      setTimeout(resolve, 500);
      return true;
    };
  });
  const ran = await interrupted(halfSent, "pull", "org/long");
  t.is(ran.code, 130, ran.stderr);
  t.is(ran.signal, null);
  t.regex(ran.last, /^CANCELLED: /);
  t.regex(ran.stderr, /kept: the same command goes on/);
  const again = await torchsight("pull", "org/long", "--json");
  t.is(again.code, 0, again.stderr);
  const { path } = JSON.parse(again.stdout) as { path: string };
  t.true(readFileSync(join(path, "model.safetensors")).equals(WEIGHTS));
  const [, { range } = {}] = hub.asked.filter(
    ({ where, path: asked }) => where === "cdn" && asked.includes("org/long"),
  );
  t.is(range, `bytes=${HALF}-`);
});
