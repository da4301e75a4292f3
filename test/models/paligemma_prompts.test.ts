/** PaliGemma's prompts and their tokens, and what tokens say of places. */
import test from "ava";
import { type FoundObjects, readObjects } from "../../lib/models/paligemma/objects.js";
import {
  answerPrompt,
  captionPrompt,
  detectPrompt,
  isTask,
  ocrPrompt,
  promptTokens,
  questionPrompt,
  segmentPrompt,
} from "../../lib/models/paligemma/prompts.js";
import { SMALL, small } from "../text/gemma.js";

const bare = { specialTokens: false };
const encode = (text: string) => small.encode(text, bare);

test("prompts are worded as in training", (t) => {
  t.is(captionPrompt(), "caption en");
  t.is(captionPrompt("de"), "caption de");
  t.is(answerPrompt("what is this?", "fr"), "answer fr what is this?");
  t.is(questionPrompt("a cat"), "question en a cat");
  t.is(ocrPrompt(), "ocr");
  t.is(detectPrompt("cat"), "detect cat");
  t.is(segmentPrompt(["cat", "a red car"]), "segment cat ; a red car");
  for (const prompt of [captionPrompt(), ocrPrompt(), detectPrompt("a"), "describe en"]) {
    t.true(isTask(prompt), prompt);
  }
  t.false(isTask("What is this?"));
});

test("prompts that mean nothing are refused", (t) => {
  const refused = (work: () => unknown, message: RegExp) =>
    t.throws(work, { code: "BAD_INPUT", message });
  refused(() => captionPrompt("english please"), /code of a language/);
  refused(() => answerPrompt("  "), /not empty for question/);
  refused(() => detectPrompt([]), /at least one/);
  refused(() => detectPrompt(["cat", ""]), /not empty/);
  for (const word of ["<image>", "<bos>", "<eos>"]) {
    refused(() => promptTokens(small, `caption en ${word}`, SMALL), /without <image>/);
  }
});

test("tokens: the beginning, the words, and a line break of its own", (t) => {
  const tokens = (prompt: string) => promptTokens(small, prompt, SMALL);
  t.deepEqual(tokens("caption en"), [2, ...encode("caption en"), SMALL.newline]);
  t.deepEqual(tokens("a\n").slice(-2), [SMALL.newline, SMALL.newline]);
  t.deepEqual(tokens("<loc0012> cat").slice(0, 2), [2, SMALL.firstLoc + 12]);
});

const loc = (...bins: number[]) => bins.map((bin) => SMALL.firstLoc + bin);
const seg = (count: number) => Array.from({ length: count }, (_, code) => SMALL.firstSeg + code);
const read = (tokenIds: number[], options = {}): FoundObjects =>
  readObjects(tokenIds, {
    tokenizer: small,
    layout: SMALL,
    size: { width: 512, height: 256 },
    logprobs: tokenIds.map(() => Math.log(0.5)),
    ...options,
  });

test("boxes: y before x, in pixels of the picture", (t) => {
  const { objects, invalid } = read([...loc(256, 128, 512, 1023), ...encode(" a cat"), SMALL.eos]);
  t.deepEqual(invalid, []);
  t.is(objects.length, 1);
  const [{ box, label, score }] = objects as [(typeof objects)[0]];
  t.deepEqual(box, [64, 64, (1023 / 1024) * 512, 128]);
  t.is(label, "a cat");
  t.true(Math.abs(score - 0.5) < 1e-12);
  const exact = read([...loc(0, 0, 1023, 1023)], { locDivisor: 1023 });
  t.deepEqual(exact.objects[0]!.box, [0, 0, 512, 256]);
  t.throws(() => read([], { locDivisor: 1000 }), { code: "BAD_INPUT" });
});

test("several objects, with masks and without, and words between", (t) => {
  const ids = [
    ...encode("here:"),
    ...loc(0, 0, 100, 100),
    ...seg(16),
    ...encode(" cat"),
    SMALL.separator!,
    ...loc(10, 20, 30, 40),
    ...encode(" dog"),
    SMALL.separator!,
    ...loc(1, 2, 3, 4),
    ...loc(5, 6, 7, 8),
  ];
  const { objects, invalid } = read(ids);
  t.deepEqual(
    objects.map(({ label }) => label),
    ["cat", "dog", "", ""],
  );
  t.deepEqual(
    objects[0]!.codes,
    Array.from({ length: 16 }, (_, code) => code),
  );
  t.false("codes" in objects[1]!);
  t.deepEqual(invalid, []);
});

test("what is malformed is told, and never fails", (t) => {
  const cases: [number[], RegExp][] = [
    [loc(1, 2, 3), /4 places .* received 3/],
    [[...loc(1, 2, 3), ...encode(" cat")], /received 3/],
    [loc(5, 1, 5, 9), /with an area/],
    [loc(1, 9, 5, 2), /with an area/],
    [[...loc(1, 2, 3, 4), ...seg(15)], /16 codes .* received 15/],
    [seg(16), /4 places .* received 0/],
    [[...loc(1, 2, 3, 4), ...seg(17)], /4 places .* received 0/],
  ];
  for (const [ids, reason] of cases) {
    const { invalid } = read(ids);
    t.is(invalid.length, 1, `${ids}`);
    t.regex(invalid[0]!.reason, reason);
  }
  t.deepEqual(read([]), { objects: [], invalid: [] });
  t.deepEqual(read(encode("a cat")), { objects: [], invalid: [] });
});
