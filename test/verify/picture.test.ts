/** Where known pictures come from, and what is not taken for one. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import type { ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { decodeImage, writeImage } from "../../lib/media/image.js";
import { type KnownPicture, knownPicture, type PictureOptions } from "../../lib/verify/picture.js";
import { FakeHub, ownCache } from "../hub/server.js";
import { temporary } from "../models/fixtures.js";
import { PHOTO } from "./tiny.js";

ownCache();
const CACHE = mkdtempSync(join(tmpdir(), "torchsight-pictures-"));
process.env.TORCHSIGHT_CACHE = CACHE;
test.after.always(() => rmSync(CACHE, { recursive: true, force: true }));

const CONTENT = readFileSync(PHOTO);
const keptAs = (name: string) => join(CACHE, "pictures", name);
const isKept = (name: string) =>
  readdirSync(CACHE, { recursive: true, encoding: "utf8" }).some((file) => file.includes(name));

type Answer = (response: ServerResponse) => void;

/** A server with one picture. */
async function serve(t: ExecutionContext, name: string, answer: Answer) {
  const server = await FakeHub.start(t);
  server.fault = (_asked, response) => {
    answer(response);
    return true;
  };
  const known: KnownPicture = { name, url: `${server.endpoint}/${name}`, width: 451, height: 300 };
  return { server, known };
}

function get(known: KnownPicture, options: Partial<PictureOptions> = {}) {
  return knownPicture(known, { offline: false, ...options }, AbortSignal.timeout(60_000));
}

/** A black picture a pixel narrower than the photo. */
async function narrow(t: ExecutionContext): Promise<string> {
  const file = join(temporary(t), "narrow.png");
  const data = new Uint8Array(450 * 300 * 3);
  await writeImage({ data, width: 450, height: 300, channels: 3 }, file);
  return file;
}

test("it is fetched once, and kept byte by byte", async (t) => {
  const { server, known } = await serve(t, "once.jpg", (response) => response.end(CONTENT));
  const expected = await decodeImage(PHOTO);
  t.deepEqual(await get(known), expected);
  t.true(readFileSync(keptAs("once.jpg")).equals(CONTENT));
  t.deepEqual(await get(known, { offline: true }), expected);
  t.is(server.asked.length, 1);
  t.deepEqual(
    readdirSync(dirname(keptAs("once.jpg"))).filter((name) => name.includes("tmp")),
    [],
  );
});

test("a file goes before the cache", async (t) => {
  const { server, known } = await serve(t, "file.jpg", (response) => response.end(CONTENT));
  mkdirSync(dirname(keptAs("file.jpg")), { recursive: true });
  writeFileSync(keptAs("file.jpg"), "no picture");
  t.is((await get(known, { file: PHOTO })).width, 451);
  await t.throwsAsync(get(known, { file: "nowhere.jpg" }), { code: "NOT_FOUND" });
  t.deepEqual(server.asked, []);
});

test("offline, it is named and no request is made", async (t) => {
  const { server, known } = await serve(t, "offline.jpg", (response) => response.end(CONTENT));
  const message = /offline\.jpg is not kept as .*offline\.jpg, and no request .*--image/;
  const expected = { code: "NOT_FOUND", message };
  const error = await t.throwsAsync(get(known, { offline: true }), expected);
  t.is((error as Error & { reason?: string }).reason, "NOT_CACHED");
  t.deepEqual(server.asked, []);
});

test("another size is refused, wherever it comes from", async (t) => {
  const file = await narrow(t);
  const { known } = await serve(t, "narrow.png", (response) => response.end(readFileSync(file)));
  const refused = (what: RegExp) => ({
    code: "BAD_INPUT",
    message: RegExp(`of 451 x 300 pixels for ${what.source} but received 450 x 300$`),
  });
  await t.throwsAsync(get(known, { file }), refused(/.*narrow.png/));
  await t.throwsAsync(get(known), refused(/http:\S+/));
  t.false(isKept("narrow.png"));
  mkdirSync(dirname(keptAs("narrow.png")), { recursive: true });
  writeFileSync(keptAs("narrow.png"), readFileSync(file));
  await t.throwsAsync(get(known), refused(/.*pictures.narrow.png/));
});

const ANSWERS: [what: string, code: string, message: RegExp, answer: Answer][] = [
  ["no picture", "BAD_INPUT", /answered with no picture: name a file/, (r) => r.end("<html>")],
  ["nothing", "BAD_INPUT", /answered with no picture/, (r) => r.end()],
  ["404", "NOT_FOUND", /cannot be had \(it answered 404\).*--image/, (r) => r.writeHead(404).end()],
  ["503", "NOT_FOUND", /\(it answered 503\)/, (r) => r.writeHead(503).end(Buffer.alloc(2 ** 20))],
  ["too much", "NOT_FOUND", /sends more than 4194304/, (r) => r.end(Buffer.alloc(2 ** 22 + 1))],
  [
    "half of it",
    "NOT_FOUND",
    /cannot be had \(\w+\)/,
    (r) => {
      r.writeHead(200, { "content-length": CONTENT.length });
      r.write(CONTENT.subarray(0, 1000), () => r.destroy());
    },
  ],
  ["a broken connection", "NOT_FOUND", /cannot be had \(\w+\)/, (r) => r.destroy()],
];

for (const [index, [what, code, message, answer]] of ANSWERS.entries()) {
  test(`a server that answers with ${what}`, async (t) => {
    const { server, known } = await serve(t, `answer-${index}.jpg`, answer);
    await t.throwsAsync(get(known), { name: "TorchsightError", code, message });
    t.is(server.asked.length, 1);
    t.false(isKept(`answer-${index}`));
  });
}

test("a signal ends the wait for an answer, with its own reason", async (t) => {
  const { known } = await serve(t, "stalled.jpg", () => {});
  const abort = new AbortController();
  const waiting = knownPicture(known, { offline: false }, abort.signal);
  setTimeout(() => abort.abort(new Error("enough")), 50);
  await t.throwsAsync(waiting, { message: "enough" });
});

test.serial("a cache that cannot be written only costs another request", async (t) => {
  const { server, known } = await serve(t, "unkept.jpg", (response) => response.end(CONTENT));
  process.env.TORCHSIGHT_CACHE = PHOTO;
  t.teardown(() => {
    process.env.TORCHSIGHT_CACHE = CACHE;
  });
  for (const requests of [1, 2]) {
    t.is((await get(known)).width, 451);
    t.is(server.asked.length, requests);
  }
});
