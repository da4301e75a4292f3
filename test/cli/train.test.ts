/** `train`: a run from end to end, interrupts, and command lines that mean nothing. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import test, { type ExecutionContext } from "ava";
import { latestCheckpoint } from "../../lib/train/index.js";
import { temporary } from "../models/fixtures.js";
import { TINY } from "../recipes/tiny.js";
import { interrupted, torchsight } from "./run.js";

/** A folder with a recipe. */
function recipeFile(t: ExecutionContext, change: object = {}): { folder: string; file: string } {
  const folder = temporary(t);
  const file = join(folder, "tiny.json");
  writeFileSync(file, JSON.stringify({ ...TINY, ...change }));
  return { folder, file };
}

test("a run as JSON lines, then as text", async (t) => {
  const { folder, file } = recipeFile(t);
  const out = join(folder, "run");
  const words = ["train", "vit22b", "--recipe", file, "--out", out];
  const ran = await torchsight(...words, "--steps", "5", "--threads", "1", "--json");
  t.is(ran.code, 0, ran.stderr);
  const lines = ran.stdout.trimEnd().split("\n");
  const written = readFileSync(join(out, "metrics.jsonl"), "utf8").trimEnd().split("\n");
  t.deepEqual(lines.slice(0, -1), written);
  t.like(JSON.parse(lines.at(-1)!), { model: join(out, "model"), steps: 5, parameters: 7827 });
  t.regex(ran.stderr, /^step 1 of 5: loss /);
  for (const name of ["curve.png", "curve.svg", "recipe.json", "model/README.md"]) {
    t.true(existsSync(join(out, name)), name);
  }

  const rest = await torchsight("train", "vit22b", "--out", out, "--resume", "--quiet");
  t.is(rest.code, 0, rest.stderr);
  t.is(rest.stderr, "");
  t.regex(rest.stdout, /^.*model: [\d,]+ parameters after 8 steps\n/);
  t.regex(rest.stdout, /held-out +loss .*, mean average precision .* on 10 samples/);
});

test("an interrupt leaves a checkpoint to go on from", async (t) => {
  const trainer = { schedule: { kind: "constant", peak: 1e-3 } };
  const { folder, file } = recipeFile(t, { trainer, steps: 1_000_000, saveEvery: 1_000_000 });
  const out = join(folder, "run");
  const metrics = join(out, "metrics.jsonl");
  const begun = async () => {
    while (!existsSync(metrics) || readFileSync(metrics).length === 0) await pause(50);
  };
  const words = ["train", "vit22b", "--recipe", file, "--out", out];
  const ran = await interrupted(begun(), ...words);
  t.is(ran.code, 130, ran.stderr);
  t.regex(ran.last, /^CANCELLED: interrupted after \d+ steps; a checkpoint is in /);
  const made = Number(/step-(\d+)$/.exec(latestCheckpoint(out)!)![1]);
  const lines = () =>
    readFileSync(metrics, "utf8")
      .trimEnd()
      .split("\n")
      .map((l) => JSON.parse(l));
  const before = lines().filter((one) => !("evaluation" in one));
  t.is(before.length, made);
  const more = ["train", "vit22b", "--out", out, "--resume", "--steps", String(made + 2)];
  t.is((await torchsight(...more)).code, 0);
  const after = lines().filter((one) => !("evaluation" in one));
  t.deepEqual(after.slice(0, made), before);
  t.deepEqual(
    after.map(({ step }) => step),
    Array.from({ length: made + 2 }, (_, step) => step),
  );
});

test("a dry run of the paper's recipe tells what it would take", async (t) => {
  const ran = await torchsight("train", "vit22b", "--recipe", "vit22b/paper", "--dry-run");
  t.is(ran.code, 0, ran.stderr);
  t.regex(ran.stdout, /^vit22b\/paper: 22,385,447,833 parameters/);
  t.regex(ran.stdout, /head\.weight +181,819,392 +decay 3,/);
  t.regex(ran.stdout, /177,000 steps: 11,599,872,000 samples/);
  const words = ["--recipe", "vit22b/shapes", "--dry-run", "--set", "batch=8", "--json"];
  const { stdout } = await torchsight("train", "vit22b", ...words);
  t.like(JSON.parse(stdout), { samples: 128_000, steps: 16_000 });
});

test("command lines and recipes that mean nothing are refused", async (t) => {
  const { folder, file } = recipeFile(t);
  const out = join(folder, "run");
  const refused = async (words: string[], code: number, message: RegExp) => {
    const ran = await torchsight("train", ...words, "--out", out, "--json");
    t.is(ran.code, code, words.join(" "));
    t.regex(ran.last, message);
    t.is(`${JSON.parse(ran.stdout).error.code}`, ran.last.split(":")[0]!);
    t.false(existsSync(join(out, "metrics.jsonl")));
  };
  const own = ["vit22b", "--recipe", file];
  await refused([], 2, /^USAGE: missing SYSTEM/);
  await refused(
    ["vit21b"],
    2,
    /^USAGE: expected a system that can be trained \(vit22b, imagen-video\)/,
  );
  await refused(["vit22b", "--recipe", "no"], 1, /^NOT_FOUND: .*known are imagen_video\/base/);
  await refused(["vit22b", "--recipe", "vit22b/paper"], 1, /^BAD_CONFIG: .*data\.source/);
  await refused([...own, "--set", "steps"], 2, /^USAGE: expected NAME=JSON/);
  await refused([...own, "--set", "trainer.clipp=1"], 1, /^BAD_CONFIG: .*is clip meant/);
  await refused([...own, "--set", 'system="owlvit"'], 2, /^USAGE: .*one of owlvit/);
  await refused([...own, "--steps", "0"], 2, /^USAGE: .*--steps/);
  await refused([...own, "--data", join(folder, "no")], 1, /^NOT_FOUND: /);
  await refused([...own, "--resume"], 1, /^NOT_FOUND: there is no checkpoint/);
});
