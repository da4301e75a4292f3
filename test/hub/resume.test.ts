/** Downloads that are cut off, cancelled, damaged, or done twice at once. */
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import test from "ava";
import { resolveModel } from "../../lib/core/checkpoint.js";
import type { TorchsightError } from "../../lib/core/errors.js";
import type { Progress } from "../../lib/core/job.js";
import { type PullOptions, pull } from "../../lib/hub/index.js";
import { FakeHub, type Fault, type Files, ownCache, sendContent, sha256 } from "./server.js";

const CACHE = ownCache();
const HALF = 300_000;
const FILE = "model.safetensors";

const model = (weights = randomBytes(2 * HALF)): Files => ({
  "config.json": Buffer.from("{}"),
  [FILE]: weights,
});
const blobsOf = (name: string) => join(CACHE, `models--${name.replace("/", "--")}`, "blobs");
const leftOf = (name: string) => readdirSync(blobsOf(name)).filter((file) => file.length > 64);

/** Sends half of the weights and breaks the connection. */
const cut: Fault = ({ where, range }, response, content) => {
  if (where !== "cdn") return false;
  sendContent(response, content, range, HALF);
  return true;
};

/** A hub on which a download has been cut off at half of it. */
async function interrupted(t: Parameters<typeof FakeHub.start>[0], name: string, files: Files) {
  const hub = await FakeHub.start(t);
  hub.publish(name, files);
  hub.fault = cut;
  const error = await t.throwsAsync(pull(name, hub.options()), { code: "NOT_FOUND" });
  t.is((error as TorchsightError).reason, "UNREACHABLE");
  t.throws(() => resolveModel(name), { code: "NOT_FOUND", message: /completes it/ });
  hub.fault = () => false;
  hub.asked.length = 0;
  return hub;
}

/** What the servers of large files were asked for. */
const ranges = (hub: FakeHub) =>
  hub.asked.filter(({ where }) => where === "cdn").map(({ range }) => range);

async function arrives(
  t: Parameters<typeof FakeHub.start>[0],
  hub: FakeHub,
  name: string,
  files: Files,
  options: PullOptions = {},
) {
  const { path } = await pull(name, hub.options(options));
  t.true(readFileSync(join(path, FILE)).equals(files[FILE]!));
  t.deepEqual(leftOf(name), [], "nothing is left over");
}

test("after a cut connection only the rest is asked for", async (t) => {
  const files = model();
  const hub = await interrupted(t, "org/rest", files);
  const seen: Progress[] = [];
  await arrives(t, hub, "org/rest", files, { onProgress: (progress) => seen.push(progress) });
  t.deepEqual(ranges(hub), [`bytes=${HALF}-`]);
  t.is(hub.asksFor("config.json").length, 0);
  const first = seen.find(({ phase }) => phase === FILE);
  t.is(first?.done, HALF + 2, "what is there counts from the first on");
});

test("within one pull, too", async (t) => {
  const hub = await FakeHub.start(t);
  const files = model();
  hub.publish("org/again", files);
  hub.fault = (asked, response, content) =>
    asked.range === undefined && cut(asked, response, content);
  await arrives(t, hub, "org/again", files, { retries: 1 });
  t.deepEqual(ranges(hub), [undefined, `bytes=${HALF}-`]);
});

test("a server that knows no ranges sends all of it", async (t) => {
  const files = model();
  const hub = await interrupted(t, "org/all", files);
  hub.fault = ({ where }, response, content) => {
    if (where === "cdn") response.end(content);
    return where === "cdn";
  };
  const seen: Progress[] = [];
  await arrives(t, hub, "org/all", files, { onProgress: (progress) => seen.push(progress) });
  t.true(seen.every(({ done }, i) => done >= (seen[i - 1]?.done ?? 0)));
});

test("a server that sends another part is refused, then asked for all of it", async (t) => {
  const files = model();
  const hub = await interrupted(t, "org/other-part", files);
  hub.fault = ({ where, range }, response, content) => {
    if (where !== "cdn" || range === undefined) return false;
    response.writeHead(206, { "content-range": `bytes 7-9/${content.length}` });
    response.end(content.subarray(7, 10));
    return true;
  };
  await arrives(t, hub, "org/other-part", files);
  t.deepEqual(ranges(hub), [`bytes=${HALF}-`, undefined]);
});

test("content that changed in the meantime begins anew", async (t) => {
  const hub = await interrupted(t, "org/changed", model());
  const files = model();
  hub.publish("org/changed", files);
  const { path } = await pull("org/changed", hub.options());
  t.true(readFileSync(join(path, FILE)).equals(files[FILE]!));
  t.deepEqual(ranges(hub), [undefined]);
});

test("a hub that announces other content than it listed is refused", async (t) => {
  const hub = await FakeHub.start(t);
  hub.publish("org/announced", model());
  hub.fault = ({ where, path }, response) => {
    if (where !== "hub" || !path.endsWith(FILE)) return false;
    response.writeHead(302, { location: "/nowhere", "x-linked-etag": `"${"0".repeat(64)}"` }).end();
    return true;
  };
  const error = await t.throwsAsync(pull("org/announced", hub.options()));
  t.is((error as TorchsightError).reason, "ETAG");
  t.is(hub.asksFor("nowhere").length, 0);
});

test("a damaged beginning is found, and all of it is asked for", async (t) => {
  const files = model();
  const hub = await interrupted(t, "org/damaged", files);
  const [left] = leftOf("org/damaged");
  writeFileSync(join(blobsOf("org/damaged"), left!), randomBytes(HALF));
  await arrives(t, hub, "org/damaged", files);
  t.deepEqual(ranges(hub), [`bytes=${HALF}-`, undefined]);
});

test("a beginning that is too long is not used", async (t) => {
  const files = model();
  const hub = await interrupted(t, "org/long", files);
  const [left] = leftOf("org/long");
  writeFileSync(join(blobsOf("org/long"), left!), randomBytes(3 * HALF));
  await arrives(t, hub, "org/long", files);
  t.deepEqual(ranges(hub), [undefined]);
});

for (const [what, change, reason] of [
  ["other bytes", (content: Buffer) => Buffer.alloc(content.length), "DIGEST"],
  ["more bytes", (content: Buffer) => Buffer.concat([content, content]), "SIZE"],
  ["fewer bytes", (content: Buffer) => content.subarray(0, HALF), "RANGE"],
] as const) {
  test(`${what} than announced are refused, and nothing of them is kept`, async (t) => {
    const hub = await FakeHub.start(t);
    const name = `org/${what.replace(" ", "-")}`;
    const files = model();
    hub.publish(name, files);
    hub.fault = ({ where, range }, response, content) => {
      if (where === "cdn") sendContent(response, change(content), range);
      return where === "cdn";
    };
    const pulling = pull(name, hub.options({ retries: 1 }));
    const error = await t.throwsAsync(pulling, { code: "BAD_CHECKPOINT", message: /model\.safe/ });
    t.is((error as TorchsightError).reason, reason);
    t.false(existsSync(join(blobsOf(name), sha256(files[FILE]!))));
    t.deepEqual(leftOf(name), []);
    t.throws(() => resolveModel(name), { code: "NOT_FOUND" });
    hub.fault = () => false;
    await arrives(t, hub, name, files);
  });
}

test("a cancel ends the download at once, and it can go on", async (t) => {
  const hub = await FakeHub.start(t);
  const files = model();
  hub.publish("org/cancel", files);
  const stalled = new Promise<void>((resolve) => {
    hub.fault = ({ where }, response, content) => {
      if (where !== "cdn") return false;
      response.writeHead(200, { "content-length": content.length });
      response.write(content.subarray(0, HALF), () => resolve());
      return true;
    };
  });
  const job = pull("org/cancel", hub.options({ retries: 4 }));
  const ended = t.throwsAsync(async () => await job, { code: "CANCELLED" });
  await stalled;
  for await (const { done } of job.progress()) if (done >= HALF) job.cancel("enough");
  await ended;
  t.is(job.state, "cancelled");
  hub.fault = () => false;
  hub.asked.length = 0;
  await arrives(t, hub, "org/cancel", files);
  t.deepEqual(ranges(hub), [`bytes=${HALF}-`]);
});

test("a signal and a deadline end the wait for the next try", async (t) => {
  const hub = await FakeHub.start(t);
  const abort = new AbortController();
  let asked = () => {};
  hub.fault = (_asked, response) => {
    response.writeHead(503, { "retry-after": "30" }).end();
    asked();
    return true;
  };
  const begun = performance.now();
  const late = pull("org/late", hub.options({ retries: 9, deadline: 500 }));
  await t.throwsAsync(late, { code: "DEADLINE" });
  asked = () => void setTimeout(() => abort.abort(), 100);
  const options = hub.options({ retries: 9, signal: abort.signal });
  await t.throwsAsync(pull("org/late", options), { code: "CANCELLED" });
  t.true(performance.now() - begun < 20_000);
  const before = hub.asked.length;
  await t.throwsAsync(pull("org/late", options), { code: "CANCELLED" });
  t.is(hub.asked.length, before, "a signal that was aborted before");
});

test("a hub that asks for more patience than there is, is not waited for", async (t) => {
  const hub = await FakeHub.start(t);
  hub.fault = (_asked, response) => {
    response.writeHead(429, { "retry-after": "3600" }).end();
    return true;
  };
  const error = await t.throwsAsync(pull("org/busy", hub.options({ retries: 4 })));
  t.is((error as TorchsightError).retryAfter, 3_600_000);
  t.is(hub.asked.length, 1);
});

test("two downloads of the same model do not harm each other", async (t) => {
  const hub = await FakeHub.start(t);
  const files = model();
  hub.publish("org/two", files);
  const both = await Promise.all([1, 2].map(() => pull("org/two", hub.options())));
  t.deepEqual(both[0], both[1]);
  t.true(readFileSync(join(both[0]!.path, FILE)).equals(files[FILE]!));
  t.deepEqual(leftOf("org/two"), []);
});

test("neither do two processes", async (t) => {
  const hub = await FakeHub.start(t);
  const files = model();
  hub.publish("org/processes", files);
  const index = fileURLToPath(new URL("../../lib/hub/index.ts", import.meta.url));
  const code = `
    const { pull } = await import(process.argv[1]);
    await pull("org/processes", { endpoint: process.argv[2] });
  `;
  const words = ["--import=tsx", "--input-type=module", "-e", code, index, hub.endpoint];
  const run = () =>
    new Promise((resolve) =>
      spawn(process.execPath, words, { stdio: "inherit" }).on("close", resolve),
    );
  t.deepEqual(await Promise.all([run(), run()]), [0, 0]);
  hub.asked.length = 0;
  await arrives(t, hub, "org/processes", files);
  t.deepEqual(ranges(hub), [], "both have left a complete model");
});

test("what a killed process has left is gone on with; a running one's is not", async (t) => {
  const hub = await FakeHub.start(t);
  const files = model();
  hub.publish("org/killed", files);
  const blob = join(blobsOf("org/killed"), sha256(files[FILE]!));
  const host = hostname().replace(/\W/g, "_").slice(0, 64);
  const left = (owner: string) => `${blob}.torchsight-${owner}-0-0.incomplete`;
  const beginning = files[FILE]!.subarray(0, HALF);
  mkdirSync(blobsOf("org/killed"), { recursive: true });
  const dead = await new Promise<number>((resolve) => {
    const child = spawn(process.execPath, ["-e", ""]);
    child.on("close", () => resolve(child.pid!));
  });
  const running = [left(`${host}-${process.ppid}`), left("elsewhere-1")];
  for (const file of running) writeFileSync(file, beginning);
  writeFileSync(left(`${host}-${dead}`), beginning.subarray(0, 1000));
  const { path } = await pull("org/killed", hub.options());
  t.true(readFileSync(join(path, FILE)).equals(files[FILE]!));
  t.deepEqual(ranges(hub), ["bytes=1000-"]);
  t.true(running.every(existsSync));
  // A machine that has been silent for an hour is not writing any more.
  for (const file of running) utimesSync(file, 0, Date.now() / 1000 - 3600);
  writeFileSync(blob, "");
  hub.asked.length = 0;
  await arrives(t, hub, "org/killed", files);
  t.deepEqual(ranges(hub), [`bytes=${HALF}-`]);
});
