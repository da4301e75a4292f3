/** Published values against a model's: what holds, where picture and model come from. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import type { ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import type { TorchsightError } from "../../lib/core/errors.js";
import { pull } from "../../lib/hub/index.js";
import type { OwlViTReference } from "../../lib/models/owlvit/references.js";
import { owlvitSubject } from "../../lib/verify/owlvit.js";
import { subjects } from "../../lib/verify/table.js";
import { verify } from "../../lib/verify/verify.js";
import { FakeHub, type Files, ownCache } from "../hub/server.js";
import { temporary } from "../models/fixtures.js";
import { filesOf, ownPackageCache, PHOTO, valuesOf, writeTiny } from "./tiny.js";

ownCache();
const ROOT = mkdtempSync(join(tmpdir(), "torchsight-verify-"));
const KEPT = join(ownPackageCache(join(ROOT, "cache")), "pictures");
test.after.always(() => rmSync(ROOT, { recursive: true, force: true }));

const PHOTO_BYTES = readFileSync(PHOTO);
const WAYS: Pick<OwlViTReference, "name" | "protocol" | "size">[] = [
  { name: "as it is" },
  { name: "squashed", protocol: "hf" },
  { name: "padded", protocol: "pad" },
  { name: "wide", size: { width: 140, height: 96 } },
];
const TYPES = ["owlvit", "owlv2"] as const;

let files: Record<(typeof TYPES)[number], Files>;
let references: Record<(typeof TYPES)[number], OwlViTReference[]>;

test.before(async () => {
  const made = TYPES.map(async (type) => {
    const folder = join(ROOT, type);
    await writeTiny(folder, type);
    const all: OwlViTReference[] = [];
    for (const way of WAYS) all.push({ ...way, values: published(await valuesOf(folder, way)) });
    return [type, filesOf(folder), all] as const;
  });
  const done = await Promise.all(made);
  files = Object.fromEntries(done.map(([type, one]) => [type, one])) as typeof files;
  references = Object.fromEntries(done.map(([type, , all]) => [type, all])) as typeof references;
});

function published(values: Awaited<ReturnType<typeof valuesOf>>): OwlViTReference["values"] {
  const tolerances = { logits: 1e-4, queries: 0, boxes: 1e-2 } as Record<string, number>;
  return Object.fromEntries(
    Object.entries(values).map(([value, expected]) => {
      const tolerance = tolerances[value] ?? 1e-5;
      return [value, { expected, tolerance, source: "the module itself" }];
    }),
  );
}

type Answer = (response: ServerResponse) => void;

/** A hub with a model and the photo, and the model's values in the table. */
async function serve(
  t: ExecutionContext,
  name: string,
  {
    type = "owlv2",
    answer = (response) => void response.end(PHOTO_BYTES),
    of = references[type],
  }: {
    type?: (typeof TYPES)[number];
    answer?: Answer;
    of?: readonly OwlViTReference[];
  } = {},
): Promise<FakeHub> {
  const hub = await FakeHub.start(t);
  const file = `${name}.jpg`;
  const url = `${hub.endpoint}/${file}`;
  subjects[`org/${name}`] = owlvitSubject(of, { name: file, url, width: 451, height: 300 });
  hub.publish(`org/${name}`, files[type]);
  hub.fault = ({ path }, response) => {
    if (path !== `/${file}`) return false;
    answer(response);
    return true;
  };
  return hub;
}

/** Checks that it fails as this package does, and returns the error. */
async function failsWith(
  t: ExecutionContext,
  job: Promise<unknown>,
  code: string,
  message: RegExp,
): Promise<TorchsightError> {
  const expected = { name: "TorchsightError", code, message };
  return (await t.throwsAsync(job, expected)) as TorchsightError;
}

for (const type of TYPES) {
  test(`${type}: a model's own values hold, and nothing is fetched twice`, async (t) => {
    const name = `org/${type}`;
    const hub = await serve(t, type, { type });
    const phases = new Set<string>();
    const { checks, ...rest } = await verify(name, {
      ...hub.options(),
      onProgress: ({ phase }) => phases.add(phase),
    });
    const revision = hub.publish(name, files[type]);
    t.deepEqual(rest, { name, revision, holds: true });
    const expected = references[type].flatMap(({ name: way, values }) =>
      Object.entries(values).map(([value, one]) => ({ name: `${way}: ${value}`, ...one })),
    );
    t.deepEqual(
      checks.map(({ got: _, difference: __, holds: ___, ...published }) => published),
      expected,
    );
    t.true(checks.every(({ holds, difference }) => holds && difference !== null));
    t.true(phases.has("model.safetensors"), "the download is told");
    const { length } = hub.asked;
    t.is(hub.asksFor(`${type}.jpg`).length, 1);
    t.true((await verify(name, hub.options())).holds);
    t.is(hub.asked.length, length, "no request the second time");
  });
}

test("ways of preparing the photo lead to values that differ beyond tolerance", (t) => {
  for (const type of TYPES) {
    const boxes = references[type].map(({ values }) => values.pred_boxes!.expected.flat());
    const [own, squashed, padded, wide] = boxes as [number[], number[], number[], number[]];
    const apart = (a: number[], b: number[]) => Math.max(...a.map((x, i) => Math.abs(x - b[i]!)));
    t.true(apart(squashed, padded) > 1e-3);
    t.true(apart(own, wide) > 1e-3);
    t.is(apart(own, type === "owlvit" ? squashed : padded), 0);
  }
});

test("of several values, the wrong ones do not hold", async (t) => {
  const [{ values, ...way }] = references.owlv2 as [OwlViTReference];
  const { logits, boxes, scores } = values as Required<typeof values>;
  const moved = logits.expected.map((row, at) => (at === 1 ? [row[0]!, row[1]! + 0.5] : row));
  const of = [
    {
      ...way,
      values: { logits: { ...logits, expected: moved }, scores, boxes: { ...boxes, expected: [] } },
    },
  ];
  const hub = await serve(t, "wrong", { of });
  const { checks, holds } = await verify("org/wrong", hub.options());
  t.false(holds);
  const [first, second, third] = checks.map(({ holds: good, difference }) => ({
    good,
    difference,
  }));
  t.false(first!.good);
  t.true(Math.abs(first!.difference! - 0.5) < 1e-4);
  t.true(second!.good);
  t.deepEqual(third, { good: false, difference: null });
});

test("another revision is another model", async (t) => {
  const hub = await serve(t, "revised");
  const old = hub.publish("org/revised", files.owlvit, "v0");
  const { revision, holds } = await verify("org/revised", hub.options({ revision: "v0" }));
  t.is(revision, old);
  t.false(holds);
  const main = await verify("org/revised", hub.options());
  t.not(main.revision, old);
  t.true(main.holds);
});

test("unknown names: those with values are listed", async (t) => {
  for (const name of ["org/unknown", "toString", "google/owlvit-base-patch32@main"]) {
    const error = await failsWith(t, verify(name), "NOT_FOUND", /^there are no published values/);
    t.true(error.message.includes(`of ${name}, but of google/owlvit-base-patch32, `));
  }
});

test.serial("offline, nothing is asked; what is missing is named", async (t) => {
  const hub = await serve(t, "offline");
  for (const options of [{ localFilesOnly: true }, {}]) {
    if (!options.localFilesOnly) process.env.HF_HUB_OFFLINE = "1";
    t.teardown(() => delete process.env.HF_HUB_OFFLINE);
    const job = () => verify("org/offline", hub.options({ ...options }));
    const error = await failsWith(t, job(), "NOT_FOUND", /offline\.jpg is not kept as .*--image/);
    t.is(error.reason, "NOT_CACHED");
    mkdirSync(KEPT, { recursive: true });
    writeFileSync(join(KEPT, "offline.jpg"), PHOTO_BYTES);
    await failsWith(t, job(), "NOT_FOUND", /`npx torchsight pull org\/offline`/);
    rmSync(join(KEPT, "offline.jpg"));
  }
  t.deepEqual(hub.asked, []);
});

test("a file in place of the known picture needs no request for it", async (t) => {
  const hub = await serve(t, "given");
  await pull("org/given", hub.options());
  hub.asked.length = 0;
  const options = hub.options({ localFilesOnly: true });
  t.true((await verify("org/given", { ...options, image: PHOTO })).holds);
  t.deepEqual(hub.asked, []);
  t.false(existsSync(join(KEPT, "given.jpg")));
});

test("without the picture, the model is not asked for", async (t) => {
  const hub = await serve(t, "blind", { answer: (response) => response.writeHead(404).end() });
  await failsWith(t, verify("org/blind", hub.options()), "NOT_FOUND", /it answered 404/);
  t.deepEqual(
    hub.asked.map(({ path }) => path),
    ["/blind.jpg"],
  );
});

test("a cancel ends the wait for the picture", async (t) => {
  const hub = await serve(t, "stalled", { answer: () => {} });
  const job = verify("org/stalled", hub.options());
  setTimeout(() => job.cancel(), 100);
  await failsWith(t, job, "CANCELLED", /./);
});

test.serial("a folder at the path goes first, as everywhere; it has no revision", async (t) => {
  await serve(t, "folder");
  const folder = temporary(t);
  await writeTiny(join(folder, "org", "folder"), "owlv2");
  const before = process.cwd();
  process.chdir(folder);
  t.teardown(() => process.chdir(before));
  const { revision, holds } = await verify("org/folder", { localFilesOnly: true, image: PHOTO });
  t.is(revision, undefined);
  t.true(holds);
});
