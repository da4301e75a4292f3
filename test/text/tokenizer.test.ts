/** Ids of CLIP's real tokenizer, against those that transformers gives. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { clipConfig, clipDefinition } from "../../lib/text/clip.js";
import { Tokenizer } from "../../lib/text/tokenizer.js";
import { temporary } from "../models/fixtures.js";
import {
  type ClipFiles,
  clipCases,
  clipMerges,
  clipVocabulary,
  savedTokenizer,
  writeClipFiles,
} from "./clip_files.js";

async function load(t: ExecutionContext, files: ClipFiles): Promise<Tokenizer> {
  const folder = temporary(t);
  writeClipFiles(folder, files);
  return await Tokenizer.load(folder);
}

for (const layout of ["tokenizer.json", "vocab.json"] as const) {
  test(`${layout}: ids and texts are those of transformers`, async (t) => {
    const tokenizer = await load(t, { layout, settings: "plain" });
    t.is(tokenizer.vocabularySize, 49408);
    for (const { text, ids, decoded } of clipCases) {
      t.deepEqual(tokenizer.encode(text), ids, JSON.stringify(text));
      t.is(tokenizer.decode(ids), decoded.trim(), JSON.stringify(text));
    }
  });
}

test("special tokens as transformers 4 wrote them are looked for after lower-casing", async (t) => {
  const tokenizer = await load(t, { layout: "vocab.json", settings: "older" });
  t.true(clipCases.some(({ older }) => older !== undefined));
  for (const { text, ids, older } of clipCases) {
    t.deepEqual(tokenizer.encode(text), older ?? ids, JSON.stringify(text));
  }
});

test("a checkpoint without tokenizer.json gets the one that transformers would save", (t) => {
  const { version, truncation, padding, added_tokens, ...steps } = savedTokenizer();
  const config = clipConfig({});
  const { added_tokens: none, ...ours } = clipDefinition(clipVocabulary(), clipMerges, config, "x");
  t.deepEqual(ours as object, steps);
  t.deepEqual(none, []);
});

test("without settings, ! is a token like any other", async (t) => {
  const tokenizer = await load(t, { layout: "vocab.json" });
  t.deepEqual(tokenizer.encode("a cat!!"), [49406, 320, 2368, 748, 49407]);
  t.deepEqual(tokenizer.encode("cat<|endoftext|>"), [49406, 2368, 49407, 49407]);
});

test("special tokens may stand in special_tokens_map.json", async (t) => {
  const folder = temporary(t);
  writeClipFiles(folder, { layout: "vocab.json" });
  const map = JSON.stringify({ pad_token: { content: "!", normalized: false } });
  writeFileSync(join(folder, "special_tokens_map.json"), map);
  const tokenizer = await Tokenizer.load(folder);
  t.deepEqual(tokenizer.encode("a cat!!"), [49406, 320, 2368, 0, 0, 49407]);
});

test("added_tokens_decoder counts, and special_tokens_map.json does not beside it", async (t) => {
  const folder = temporary(t);
  writeClipFiles(folder, { layout: "vocab.json" });
  const added_tokens_decoder = { 0: { content: "!", normalized: false, special: true } };
  const settings = JSON.stringify({ added_tokens_decoder });
  writeFileSync(join(folder, "tokenizer_config.json"), settings);
  writeFileSync(join(folder, "special_tokens_map.json"), JSON.stringify({ pad_token: "?" }));
  const tokenizer = await Tokenizer.load(folder);
  t.deepEqual(tokenizer.encode("a cat?!"), [49406, 320, 2368, 286, 0, 49407]);
  t.is(tokenizer.decode([2368, 0]), "cat");
  t.is(tokenizer.decode([2368, 0], { skipSpecialTokens: false }), "cat !");
});

test("a special token that the vocabulary lacks gets the next id", async (t) => {
  const folder = temporary(t);
  writeClipFiles(folder, { layout: "vocab.json" });
  const settings = { mask_token: "<mask>", additional_special_tokens: ["<mask>", "<box>"] };
  writeFileSync(join(folder, "tokenizer_config.json"), JSON.stringify(settings));
  const tokenizer = await Tokenizer.load(folder);
  t.deepEqual(tokenizer.encode("<box>cat<mask>"), [49406, 49409, 2368, 49408, 49407]);
  t.is(tokenizer.vocabularySize, 49410);
});

test("special tokens around the text can be left out", async (t) => {
  const tokenizer = await load(t, { layout: "vocab.json", settings: "plain" });
  t.deepEqual(tokenizer.encode("a cat", { specialTokens: false }), [320, 2368]);
  t.deepEqual(tokenizer.encode("", { specialTokens: false }), []);
  t.is(tokenizer.decode([]), "");
  t.is(tokenizer.decode([320n, 2368n]), "a cat");
  t.is(tokenizer.decode(BigInt64Array.of(49406n, 320n, 2368n, 49407n)), "a cat");
});

// Rust splits it like any text: 27, 347, 40786, 4160, 91, 285.
test("known to differ: a text that is a special token only in lower case", async (t) => {
  const tokenizer = await load(t, { layout: "vocab.json", settings: "plain" });
  t.deepEqual(tokenizer.encode("<|ENDOFTEXT|>"), [49406, 49407, 49407]);
});

test("half of a surrogate pair counts as U+FFFD", async (t) => {
  const tokenizer = await load(t, { layout: "vocab.json", settings: "plain" });
  t.deepEqual(tokenizer.encode("a\ud83d b"), tokenizer.encode("a\ufffd b"));
});

test("wrong arguments are refused", async (t) => {
  const tokenizer = await load(t, { layout: "vocab.json", settings: "plain" });
  const message = "expected a string for text but received 3 of type number";
  t.throws(() => tokenizer.encode(3 as unknown as string), { code: "BAD_INPUT", message });
  for (const id of [49408, -1, 0.5, Number.NaN, 49408n]) {
    t.throws(() => tokenizer.decode([id]), { code: "BAD_INPUT", message: /49408/ });
  }
  const folder = 3 as unknown as string;
  await t.throwsAsync(Tokenizer.load(folder), { code: "BAD_INPUT", message: /a path/ });
});
