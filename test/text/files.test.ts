/** Small tokenizers of several kinds, and files that are missing or damaged. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { Tokenizer } from "../../lib/text/tokenizer.js";
import { fixture, temporary } from "../models/fixtures.js";

const VOCABULARY = {
  c: 0,
  a: 1,
  t: 2,
  "t</w>": 3,
  "at</w>": 4,
  "cat</w>": 5,
  "<|startoftext|>": 6,
  "<|endoftext|>": 7,
};
const MERGES = "#version: 0.2\na t</w>\nc at</w>\n";

const BPE = { type: "BPE", vocab: { a: 0, b: 1, ab: 2 }, merges: [["a", "b"]], unk_token: "a" };

/** A checkpoint with these files; objects are written as JSON. */
function checkpoint(t: ExecutionContext, files: Record<string, unknown>): string {
  const folder = temporary(t);
  for (const [name, content] of Object.entries(files)) {
    const text = typeof content === "string" ? content : JSON.stringify(content);
    writeFileSync(join(folder, name), text);
  }
  return folder;
}

test("a small CLIP vocabulary; line ends of Windows", async (t) => {
  for (const merges of [MERGES, MERGES.replaceAll("\n", "\r\n"), MERGES.trimEnd()]) {
    const files = { "vocab.json": VOCABULARY, "merges.txt": merges };
    const tokenizer = await Tokenizer.load(checkpoint(t, files));
    t.is(tokenizer.vocabularySize, 8);
    t.deepEqual(tokenizer.encode("CAT at"), [6, 5, 4, 7]);
    t.deepEqual(tokenizer.encode("<|endoftext|>"), [6, 7, 7]);
    t.is(tokenizer.decode([6, 5, 4, 7]), "cat at");
  }
});

// The expected ids below are those of the Rust crate.
test("a Unigram vocabulary, as T5 has", async (t) => {
  const pieces = { "▁": -2, "▁a": -2.5, "▁cat": -4, c: -6, a: -5, t: -5.5, s: -5.2, at: -5.1 };
  const special = ["<pad>", "</s>", "<unk>"];
  const spaces = { type: "Metaspace", replacement: "▁", prepend_scheme: "always" };
  const definition = {
    added_tokens: special.map((content, id) => ({ id, content, special: true, normalized: false })),
    pre_tokenizer: spaces,
    post_processor: {
      type: "TemplateProcessing",
      single: [{ Sequence: { id: "A", type_id: 0 } }, { SpecialToken: { id: "</s>", type_id: 0 } }],
    },
    decoder: spaces,
    model: {
      type: "Unigram",
      unk_id: 2,
      vocab: [...special.map((token) => [token, 0]), ...Object.entries(pieces)],
    },
  };
  const settings = { pad_token: "<pad>", extra_special_tokens: ["s", "<new>"] };
  const files = { "tokenizer.json": definition, "tokenizer_config.json": settings };
  const tokenizer = await Tokenizer.load(checkpoint(t, { "tokenizer.json": definition }));
  t.deepEqual(tokenizer.encode("cats"), [5, 9, 1]);
  t.deepEqual(tokenizer.encode("a zcat"), [4, 3, 2, 6, 10, 1]);
  t.is(tokenizer.decode([5, 9, 1]), "cats");
  const extended = await Tokenizer.load(checkpoint(t, files));
  t.deepEqual(extended.encode("cats<new>"), [5, 9, 11, 1]);
});

test("a vocabulary that falls back to bytes, as Gemma has", async (t) => {
  const bytes = Array.from({ length: 256 }, (_, byte) => byte.toString(16).toUpperCase());
  const special = ["<pad>", "<eos>", "<bos>", "<unk>"];
  const tokens = [
    ...special,
    ...bytes.map((byte) => `<0x${byte.padStart(2, "0")}>`),
    ...["▁", "a", "c", "t", "▁c", "at", "▁cat"],
  ];
  const definition = {
    added_tokens: special
      .slice(0, 3)
      .map((content, id) => ({ id, content, special: true, normalized: false })),
    normalizer: { type: "Replace", pattern: { String: " " }, content: "▁" },
    pre_tokenizer: {
      type: "Split",
      pattern: { String: " " },
      behavior: "MergedWithPrevious",
      invert: false,
    },
    post_processor: {
      type: "TemplateProcessing",
      single: [
        { SpecialToken: { id: "<bos>", type_id: 0 } },
        { Sequence: { id: "A", type_id: 0 } },
      ],
    },
    decoder: {
      type: "Sequence",
      decoders: [
        { type: "Replace", pattern: { String: "▁" }, content: " " },
        { type: "ByteFallback" },
        { type: "Fuse" },
      ],
    },
    model: {
      type: "BPE",
      unk_token: "<unk>",
      fuse_unk: true,
      byte_fallback: true,
      vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
      merges: ["▁ c", "a t", "▁c at"],
    },
  };
  const tokenizer = await Tokenizer.load(checkpoint(t, { "tokenizer.json": definition }));
  t.deepEqual(tokenizer.encode("a cat"), [2, 261, 266]);
  t.deepEqual(tokenizer.encode("cat é"), [2, 262, 265, 260, 199, 173]);
  t.deepEqual(tokenizer.encode("<eos>cat"), [2, 1, 262, 265]);
  t.is(tokenizer.decode([2, 244, 163, 156, 132, 260]), "😀 ");
});

test("missing files are told by name", async (t) => {
  const files = { "vocab.json": VOCABULARY, "merges.txt": MERGES };
  const expected = /^expected tokenizer\.json, or vocab\.json and merges\.txt, in .* but found /;
  const missing = async (folder: string, found: string) => {
    const error = await t.throwsAsync(Tokenizer.load(folder), { code: "NOT_FOUND" });
    t.regex(error?.message ?? "", expected);
    t.true(error?.message.endsWith(found), error?.message);
  };
  await missing(checkpoint(t, {}), "none");
  await missing(join(checkpoint(t, {}), "nowhere"), "none");
  await missing(fixture("clip_tokenizer", "LICENSE"), "none");
  await missing(checkpoint(t, { "vocab.json": files["vocab.json"] }), "vocab.json");
  await missing(checkpoint(t, { "merges.txt": files["merges.txt"] }), "merges.txt");
});

const DAMAGED: Record<string, [files: Record<string, unknown>, message: RegExp]> = {
  "half a file": [{ "tokenizer.json": '{"model": {' }, /expected JSON in .*tokenizer\.json/],
  "no object": [{ "tokenizer.json": [] }, /an object in .*tokenizer\.json .* \[\]/],
  "no model": [{ "tokenizer.json": {} }, /an object as model .* undefined/],
  "a model without vocabulary": [{ "tokenizer.json": { model: { type: "BPE" } } }, /a vocabulary/],
  "a Unigram token without score": [
    { "tokenizer.json": { model: { type: "Unigram", unk_id: 0, vocab: [["a", 0], "b"] } } },
    /a text and a score for each token .* "b" of type string/,
  ],
  "an id that is a text": [
    { "tokenizer.json": { model: { ...BPE, vocab: { a: "0" } } } },
    /whole numbers as ids .* "0" of type string/,
  ],
  "an id twice": [
    { "tokenizer.json": { model: { ...BPE, vocab: { a: 0, b: 1, ab: 1 } } } },
    /one token for each id .* 1 of type number/,
  ],
  "merges that are no list": [{ "tokenizer.json": { model: { ...BPE, merges: {} } } }, /a list of/],
  "a merge of one token": [
    { "tokenizer.json": { model: { ...BPE, merges: ["a b", "a"] } } },
    /two tokens in each merge .* "a" of type string/,
  ],
  "a merge of numbers": [{ "tokenizer.json": { model: { ...BPE, merges: [[0, 1]] } } }, /\[0,1\]/],
  "a merge into nothing": [
    { "tokenizer.json": { model: { ...BPE, merges: [["b", "a"]] } } },
    /merges of tokens of the vocabulary .* \["b","a"\]/,
  ],
  "a normaliser without type": [
    { "tokenizer.json": { model: BPE, normalizer: {} } },
    /a type or null as normalizer/,
  ],
  "an unknown normaliser": [
    { "tokenizer.json": { model: BPE, normalizer: { type: "Magic" } } },
    /cannot build .*: Unknown Normalizer type: Magic/,
  ],
  "added tokens that are no list": [
    { "tokenizer.json": { model: BPE, added_tokens: {} } },
    /a list as added_tokens/,
  ],
  "an added token without id": [
    { "tokenizer.json": { model: BPE, added_tokens: [{ content: "x" }] } },
    /an id and a text for each of added_tokens/,
  ],
  "settings that are no object": [
    { "tokenizer.json": { model: BPE }, "tokenizer_config.json": [] },
    /an object in .*tokenizer_config\.json/,
  ],
  "a map that is no object": [
    { "tokenizer.json": { model: BPE }, "special_tokens_map.json": "3" },
    /an object in .*special_tokens_map\.json .* 3 of type number/,
  ],
  "a special token that is a number": [
    { "tokenizer.json": { model: BPE }, "tokenizer_config.json": { pad_token: 3 } },
    /texts or objects as special tokens .* 3 of type number/,
  ],
  "a vocabulary that is a list": [
    { "vocab.json": [], "merges.txt": MERGES },
    /an object in vocab\.json/,
  ],
  "merges cut off between two tokens": [
    { "vocab.json": VOCABULARY, "merges.txt": MERGES.slice(0, -8) },
    /two tokens in each merge in vocab\.json and merges\.txt .* \["c"\]/,
  ],
  "merges cut off inside a token": [
    { "vocab.json": VOCABULARY, "merges.txt": MERGES.slice(0, -6) },
    /merges of tokens of the vocabulary .* \["c","a"\]/,
  ],
};

for (const [name, [files, message]] of Object.entries(DAMAGED)) {
  test(`damaged: ${name}`, async (t) => {
    const folder = checkpoint(t, files);
    await t.throwsAsync(Tokenizer.load(folder), { code: "BAD_CHECKPOINT", message });
  });
}

test("damaged: a folder in place of a file", async (t) => {
  const folder = checkpoint(t, {});
  mkdirSync(join(folder, "tokenizer.json"));
  const message = /cannot read .*tokenizer\.json/;
  await t.throwsAsync(Tokenizer.load(folder), { code: "BAD_CHECKPOINT", message });
});

test("an unknown kind of model is not supported; old files need not tell theirs", async (t) => {
  for (const model of [{ type: "WordLevel", vocab: { a: 0 } }, { vocab: { a: 0 } }]) {
    const folder = checkpoint(t, { "tokenizer.json": { model } });
    const message = /a model of type BPE, Unigram, WordPiece in .*tokenizer\.json/;
    await t.throwsAsync(Tokenizer.load(folder), { code: "UNSUPPORTED", message });
  }
  const { type, ...bpe } = BPE;
  t.is(type, "BPE");
  const tokenizer = await Tokenizer.load(checkpoint(t, { "tokenizer.json": { model: bpe } }));
  t.deepEqual(tokenizer.encode("abba"), [2, 1, 0]);
});

test("two files of another byte-level tokenizer are not taken for CLIP's", async (t) => {
  const foreign: Record<string, number>[] = [
    { a: 0, b: 1, "<|endoftext|>": 2 },
    { a: 0, "<|startoftext|>": 1, "<|endoftext|>": 2 },
  ];
  for (const vocab of foreign) {
    const folder = checkpoint(t, { "vocab.json": vocab, "merges.txt": "#version: 0.2\n" });
    const message = /a CLIP vocabulary .* other tokenizers need a tokenizer\.json/;
    await t.throwsAsync(Tokenizer.load(folder), { code: "UNSUPPORTED", message });
  }
});
