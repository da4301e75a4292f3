/** `verify` on the command line: the document, the table, exit codes. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "ava";
import { Output } from "../../lib/cli/output.js";
import command from "../../lib/cli/verify.js";
import { writeImage } from "../../lib/media/image.js";
import { REFERENCES } from "../../lib/models/owlvit/references.js";
import type { Check } from "../../lib/verify/checks.js";
import { COCO_CATS } from "../../lib/verify/picture.js";
import { subjects } from "../../lib/verify/table.js";
import type { Verification } from "../../lib/verify/verify.js";
import { torchsight } from "../cli/run.js";
import { FakeHub, ownCache } from "../hub/server.js";
import { filesOf, ownPackageCache, writeTiny } from "./tiny.js";

ownCache();
const ROOT = mkdtempSync(join(tmpdir(), "torchsight-verify-"));
ownPackageCache(join(ROOT, "cache"));
const NAME = "google/owlvit-base-patch32";
const PICTURE = join(ROOT, "black.png");

let hub: FakeHub;
let commit: string;
test.before(async () => {
  hub = await FakeHub.open();
  process.env.HF_ENDPOINT = hub.endpoint;
  const { width, height } = COCO_CATS;
  const data = new Uint8Array(width * height * 3);
  await writeImage({ data, width, height, channels: 3 }, PICTURE);
  await writeTiny(join(ROOT, "model"), "owlvit");
  commit = hub.publish(NAME, filesOf(join(ROOT, "model")));
});
test.after.always(async () => {
  await hub.stop();
  rmSync(ROOT, { recursive: true, force: true });
});

test("a model that is not the published one: 1, all values told, failures named", async (t) => {
  const published = REFERENCES[NAME]!.flatMap(({ name, values }) =>
    Object.entries(values).map(([value, { expected, source }]) => ({
      name: `${name}: ${value}`,
      expected,
      source,
    })),
  );
  const ran = await torchsight("verify", NAME, "--image", PICTURE, "--json", "--device", "cpu");
  t.is(ran.code, 1, ran.stderr);
  const { checks, ...rest } = JSON.parse(ran.stdout) as Verification;
  t.deepEqual(rest, { name: NAME, revision: commit, holds: false });
  t.deepEqual(
    checks.map(({ name, expected, source }) => ({ name, expected, source })),
    published,
  );
  const failed = checks.filter(({ holds }) => !holds).map(({ name }) => name);
  const line = `INTERNAL: ${failed.length} of ${checks.length} values do not hold: `;
  t.is(ran.last, line + failed.join("; "));
  for (const { expected, got, tolerance, holds, difference } of checks) {
    t.is(holds, difference !== null && difference <= tolerance);
    if (difference !== null) t.is(got.length, expected.length);
  }

  const text = await torchsight("verify", NAME, "--image", PICTURE, "--local-files-only");
  t.is(text.code, 1, text.stderr);
  const [title, empty, header, ...rows] = text.stdout.trimEnd().split("\n");
  t.is(title, `${NAME} at ${commit}`);
  t.is(empty, "");
  t.regex(header!, /^value +published +here +difference +tolerance +holds +source$/);
  t.is(rows.length, checks.length);
  for (const [place, { name, source }] of checks.entries()) {
    t.true(rows[place]!.startsWith(`${name} `) && rows[place]!.endsWith(`  ${source}`));
  }
  t.is(text.last, ran.last);
});

for (const [what, code, line, words] of [
  ["no name", 2, /^USAGE: missing NAME$/, []],
  ["a model without values", 1, /^NOT_FOUND: .* values of org\/x, but of google\//, ["org/x"]],
  [
    "no picture there",
    1,
    /^NOT_FOUND: http.* is not kept as .*no request/,
    [NAME, "--local-files-only"],
  ],
  ["another picture", 1, /^NOT_FOUND: there is no file nowhere/, [NAME, "--image", "nowhere"]],
  [
    "a revision that is not there",
    1,
    /^NOT_FOUND: .*has no revision v9/,
    [NAME, "--image", PICTURE, "--revision", "v9"],
  ],
] as const) {
  test(`verify with ${what}`, async (t) => {
    const ran = await torchsight("verify", ...words);
    t.is(ran.code, code, ran.stderr);
    t.regex(ran.last, line);
    t.is(ran.stdout, "");
  });
}

/** Keeps what a command says. */
class Kept extends Output {
  readonly said: [document: unknown, text: string][] = [];
  override result(document: unknown, text: string): void {
    this.said.push([document, text]);
  }
}

test("a model that holds: 0, and a row for each value", async (t) => {
  const check = {
    name: "boxes",
    source: "a test",
    expected: [[1, 2]],
    got: [[1.25, 2.123456789]],
    tolerance: 0.5,
    difference: 0.25,
    holds: true,
  };
  const checks: Check[] = [
    check,
    { ...check, name: "none", expected: [], got: [], difference: 0 },
    { ...check, name: "missing", got: [], difference: null },
    { ...check, name: "broken", got: [[1, Number.NaN]], difference: null },
  ];
  subjects[NAME] = { picture: COCO_CATS, check: async () => checks };
  const output = new Kept({ json: false, quiet: true, verbose: false });
  const args = { name: NAME, image: PICTURE, device: "cpu" };
  const { signal } = new AbortController();
  t.is(await command.run({ args, lists: {}, rest: [], output, signal }), 0);
  const [[document, text] = []] = output.said;
  t.deepEqual(document, { name: NAME, revision: commit, checks, holds: true });
  t.deepEqual(text!.split("\n").slice(3), [
    "boxes    1          1.25        0.25        0.5        yes    a test",
    "none     0 rows     0 rows      0           0.5        yes    a test",
    "missing  1 rows     0 rows      -           0.5        yes    a test",
    "broken   1 rows     not finite  -           0.5        yes    a test",
  ]);
});
