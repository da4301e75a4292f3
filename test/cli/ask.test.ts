/** `torchsight ask`, on a small model with random weights. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import { decodeImage } from "../../lib/media/image.js";
import { fixture, temporary } from "../models/fixtures.js";
import { paligemmaFolder } from "../models/paligemma_models.js";
import { torchsight } from "./run.js";

const PHOTO = fixture("owlvit_processing", "photo.png");
const drawn = ["--temperature", "1.2", "--seed", "3", "--max-new-tokens", "6"];

test("one JSON document, or lines of what comes and then the document", async (t) => {
  const model = await paligemmaFolder(t);
  const asked = ["ask", "--model", model, "--image", PHOTO, "--prompt", "caption en", ...drawn];
  const plain = await torchsight(...asked, "--json");
  t.is(plain.code, 0, plain.stderr);
  const document = JSON.parse(plain.stdout);
  t.is(typeof document.text, "string");
  t.true(["length", "eos"].includes(document.finish));
  t.true(document.tokens <= 6);
  t.true(document.seconds.first > 0 && document.seconds.total >= document.seconds.first);

  const streamed = await torchsight(...asked, "--stream", "--json");
  const lines = streamed.stdout
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
  const deltas = lines.slice(0, -1).map(({ delta }) => delta);
  t.is(deltas.join(""), document.text, "the seed decides");
  t.is(lines.at(-1).text, document.text);

  const readable = await torchsight(...asked);
  t.true(readable.stdout.startsWith(document.text));
  const live = await torchsight(...asked, "--stream");
  t.true(live.stdout.startsWith(document.text));
});

test("boxes and masks are told, drawn and written", async (t) => {
  const model = await paligemmaFolder(t);
  const folder = temporary(t);
  const draw = join(folder, "found.png");
  const run = await torchsight(
    ...["ask", "--model", model, "--image", PHOTO, "--prompt", "segment cat", "--json"],
    ...["--draw", draw, "--masks", join(folder, "masks"), "--loc-divisor", "1023", ...drawn],
  );
  t.is(run.code, 0, run.stderr);
  const picture = await decodeImage(draw);
  const photo = await decodeImage(PHOTO);
  t.deepEqual([picture.width, picture.height], [photo.width, photo.height]);
  const { boxes = [], masks = [] } = JSON.parse(run.stdout);
  t.true(boxes.length >= masks.length);
  for (const { file } of masks) t.true(existsSync(file));
});

test("without pictures, several of them, and integers", async (t) => {
  const model = await paligemmaFolder(t);
  const asked = ["ask", "--model", model, "--prompt", "answer en why?", "--json", ...drawn];
  const none = await torchsight(...asked);
  t.is(none.code, 0, none.stderr);
  const two = await torchsight(...asked, "--image", PHOTO, PHOTO, "--weights", "int8");
  t.is(two.code, 0, two.stderr);
  t.not(JSON.parse(two.stdout).text, JSON.parse(none.stdout).text);
});

test("failures have codes and exits", async (t) => {
  const model = await paligemmaFolder(t);
  const fails = async (code: string, exit: number, ...words: string[]) => {
    const run = await torchsight("ask", ...words, "--json");
    t.is(run.code, exit, run.stderr);
    t.true(run.last.startsWith(`${code}: `), run.last);
    if (exit === 1) t.is(JSON.parse(run.stdout).error.code, code);
  };
  const asked = ["--model", model, "--prompt", "caption en"];
  await fails("USAGE", 2, "--model", model);
  await fails("USAGE", 2, ...asked, "--temperature", "hot");
  await fails("NOT_FOUND", 1, ...asked, "--image", "missing.png");
  await fails("NOT_FOUND", 1, "--model", "nowhere", "--prompt", "caption en");
  await fails("BAD_INPUT", 1, "--model", model, "--prompt", "what is <image>?");
  await fails("BAD_INPUT", 1, ...asked, "--draw", join(temporary(t), "x.png"));
  await fails("BAD_INPUT", 1, "--model", fixture("gemma", "mqa"), "--prompt", "caption en");
});
