/** `train` and `distill` of stages of a video cascade, from end to end. */
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import { temporary } from "../models/fixtures.js";
import { TINY_STAGE } from "../recipes/stages.js";
import { torchsight } from "./run.js";

const linesOf = (stdout: string) =>
  stdout
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));

test("a stage is trained, then distilled by what it was trained by", async (t) => {
  const folder = temporary(t);
  const [file, stage, out] = ["tiny.json", "stage", "students"].map((name) => join(folder, name));
  writeFileSync(file!, JSON.stringify(TINY_STAGE));
  const train = ["train", "imagen-video", "--recipe", file!, "--out", stage!, "--steps", "2"];
  const trained = await torchsight(...train, "--json");
  t.is(trained.code, 0, trained.stderr);
  const { model } = linesOf(trained.stdout).at(-1);
  t.is(model, join(stage!, "model"));

  const words = ["distill", "imagen-video", "--model", model, "--out", out!];
  const numbers = ["--from", "2", "--to", "1", "--steps", "2"];
  const ran = await torchsight(...words, ...numbers, "--json");
  t.is(ran.code, 0, ran.stderr);
  const lines = linesOf(ran.stdout);
  t.deepEqual(
    [...new Set(lines.slice(0, -1).map((line) => line.student))],
    ["guidance", "steps-1"],
  );
  t.is(lines.at(-1).model, join(out!, "model"));
  t.true(existsSync(join(out!, "model", "config.json")));
  const again = await torchsight(...words, ...numbers, "--resume");
  t.is(again.code, 0, again.stderr);
  t.regex(again.stdout, /a student of 1 steps\n {2}guidance +2 updates, loss .*\n {2}steps-1/);
});

test("command lines that mean nothing", async (t) => {
  const folder = temporary(t);
  const cases: [string[], RegExp, number][] = [
    [["vit22b"], /^USAGE: expected imagen-video but received vit22b/, 2],
    [["imagen-video"], /^USAGE: expected the stage to learn from as --model/, 2],
    [["imagen-video", "--model", folder], /^NOT_FOUND: there is no recipe\.json/, 1],
  ];
  for (const [words, last, code] of cases) {
    const ran = await torchsight("distill", ...words);
    t.is(ran.code, code);
    t.regex(ran.last, last);
  }
});
