/** Rows of token ids for the text tower, templates, and the form of labels in training. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "ava";
import { applyTemplates, canonicalize, TEMPLATES } from "../../lib/models/owlvit/prompts.js";
import { type QueryTokenOptions, tokenizeQueries } from "../../lib/models/owlvit/text.js";
import { Tokenizer } from "../../lib/text/tokenizer.js";
import { clipCases, writeClipFiles } from "../text/clip_files.js";

let tokenizer: Tokenizer;

test.before(async () => {
  const folder = mkdtempSync(join(tmpdir(), "torchsight-"));
  writeClipFiles(folder, { layout: "vocab.json", settings: "plain" });
  tokenizer = await Tokenizer.load(folder);
  rmSync(folder, { recursive: true });
});

const rowsOf = (ids: BigInt64Array, width: number): number[][] =>
  Array.from({ length: ids.length / width }, (_, row) =>
    Array.from(ids.subarray(row * width, (row + 1) * width), Number),
  );

test("rows are those of OwlViTProcessor; longer texts are cut and flagged", (t) => {
  const { ids, attentionMask, truncated, length } = tokenizeQueries(
    tokenizer,
    clipCases.map(({ text }) => text),
  );
  const [rows, masks] = [rowsOf(ids, 16), rowsOf(attentionMask, 16)];
  t.is(length, 16);
  t.is(rows.length, clipCases.length);
  t.true(truncated.includes(true));
  for (const [index, { text, ids: whole, row }] of clipCases.entries()) {
    t.deepEqual(rows[index], row, text);
    t.is(truncated[index], whole.length > 16, text);
    const mask = row.map((_, position) => (position < whole.length ? 1 : 0));
    t.deepEqual(masks[index], mask, text);
  }
});

test("the used length is that of the longest row", (t) => {
  const length = (...queries: string[]) => tokenizeQueries(tokenizer, queries).length;
  t.is(length(""), 2);
  t.is(length("cat", "a cat", ""), 4);
  t.is(length("cat", "cat ".repeat(400)), 16);
});

test("another context and padding", (t) => {
  const options = { context: 5, padId: 49407 };
  const { ids, attentionMask, truncated } = tokenizeQueries(
    tokenizer,
    ["cat!", "a photo of a cat"],
    options,
  );
  t.deepEqual(rowsOf(ids, 5), [
    [49406, 2368, 0, 49407, 49407],
    [49406, 320, 1125, 539, 49407],
  ]);
  t.deepEqual(rowsOf(attentionMask, 5), [
    [1, 1, 1, 1, 0],
    [1, 1, 1, 1, 1],
  ]);
  t.deepEqual(truncated, [false, true]);
});

test("overflow: error names the query and its length", (t) => {
  const queries = ["a b c d e f g h i j k l m n", "a b c d e f g h i j k l m n o"];
  const strict = { overflow: "error" } as const;
  t.is(tokenizeQueries(tokenizer, queries.slice(0, 1), strict).length, 16);
  const message =
    "expected at most 16 tokens for queries[1] but received 17: " +
    '"a b c d e f g h i j k l m n o" of type string';
  t.throws(() => tokenizeQueries(tokenizer, queries, strict), { code: "BAD_INPUT", message });
});

test("wrong queries and options are refused", (t) => {
  const refused = (queries: unknown, message: RegExp, options: QueryTokenOptions = {}) =>
    t.throws(() => tokenizeQueries(tokenizer, queries as string[], options), {
      code: "BAD_INPUT",
      message,
    });
  refused([], /at least one text for queries but received \[\]/);
  refused("cat", /at least one text for queries but received "cat"/);
  refused(["cat", 3], /a string for queries\[1\] but received 3 of type number/);
  refused(["cat", null], /a string for queries\[1\]/);
  for (const context of [1, 2.5, Number.NaN]) refused(["cat"], /for context/, { context });
  for (const padId of [-1, 0.5]) refused(["cat"], /a token id for padId/, { padId });
  refused(["cat"], /truncate or error for overflow/, { overflow: "cut" as "error" });
});

test("templates: named sets", (t) => {
  t.deepEqual(applyTemplates(["cat", "dog"], "none"), [["cat", "dog"]]);
  const best = applyTemplates(["cat", "dog"], "best7");
  t.is(best.length, 7);
  t.deepEqual(best[0], ["itap of a cat.", "itap of a dog."]);
  t.deepEqual(best[6], ["a photo of the small cat.", "a photo of the small dog."]);
  t.is(new Set(TEMPLATES.clip80).size, 80);
  t.is(TEMPLATES.clip80[0], "a bad photo of a {}.");
  t.is(TEMPLATES.clip80[79], "a tattoo of the {}.");
  t.deepEqual(TEMPLATES.clip81, ["{}", ...TEMPLATES.clip80]);
  for (const template of TEMPLATES.clip81) t.is(template.split("{}").length, 2, template);
  for (const template of TEMPLATES.best7) t.true(TEMPLATES.clip80.includes(template), template);
});

test("templates: one's own, and queries with a meaning in replacements", (t) => {
  t.deepEqual(applyTemplates(["$&", "{}"], ["{} and {}", "the {}"]), [
    ["$& and $&", "{} and {}"],
    ["the $&", "the {}"],
  ]);
  t.deepEqual(applyTemplates([], ["{}", "a {}"]), [[], []]);
});

test("templates: wrong ones are refused", (t) => {
  const refused = (templates: unknown, message: RegExp) =>
    t.throws(() => applyTemplates(["cat"], templates as string[]), { code: "BAD_INPUT", message });
  refused("best8", /one of none, best7, clip80, clip81, or a list of texts .* "best8"/);
  refused("toString", /one of none/);
  refused([], /one of none/);
  refused(undefined, /one of none/);
  refused(["a {}", "a cat"], /a text with {} for templates\[1\] but received "a cat"/);
  refused([3], /templates\[0\]/);
  t.throws(() => applyTemplates([3 as unknown as string], "none"), {
    code: "BAD_INPUT",
    message: /queries\[0\]/,
  });
});

test("canonical form of labels", (t) => {
  const forms: [label: string, form: string][] = [
    ["cat", "cat"],
    ["Traffic Light", "traffic light"],
    ["bow_(decorative_ribbons)", "bow decorative ribbons"],
    ["first-aid_kit", "first-aid kit"],
    ["a--b - -- c", "a-b - - c"],
    ["  \t cat\n\ndog ", "cat dog"],
    ["Café Ünlü", "caf nl"],
    ["\u212aelvin İ", "elvin"],
    ["it's 50% off!", "it s 50 off"],
    ["#1 c#", "1 c"],
    ["-", "-"],
    ["猫", ""],
    ["", ""],
  ];
  for (const [label, form] of forms) {
    t.is(canonicalize(label), form, label);
    t.is(canonicalize(form), form, label);
  }
  t.throws(() => canonicalize(3 as unknown as string), { code: "BAD_INPUT" });
});
