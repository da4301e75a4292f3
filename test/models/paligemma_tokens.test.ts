/** PaliGemma's tokenizer: ids and texts of the Rust crate, and the tokens that files lack. */
import { copyFileSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import {
  LOC_BINS,
  layoutOf,
  loadTokenizer,
  SEG_CODES,
  TOKENS,
  withPaliGemmaTokens,
} from "../../lib/models/paligemma/tokens.js";
import { parseDefinition, type TokenizerDefinition } from "../../lib/text/definition.js";
import { Tokenizer } from "../../lib/text/tokenizer.js";
import { gemmaFolder, gemmaTest, SMALL, sequences, size, small, texts } from "../text/gemma.js";
import { fixture, temporary } from "./fixtures.js";

const FILE = fixture("paligemma_tokens", "tokenizer.json");
const definition = (): TokenizerDefinition =>
  parseDefinition(JSON.parse(readFileSync(FILE, "utf8")), FILE);
const bare = { specialTokens: false };

test("ids and texts are those of the Rust crate", (t) => {
  for (const { text, ids, decoded } of texts) {
    const name = JSON.stringify(text.slice(0, 40));
    t.deepEqual(small.encode(text, bare), ids, name);
    t.deepEqual(small.encode(text), [2, ...ids], name);
    // The one difference that is known: see lib/text/corrections.ts.
    t.is(
      small.decode(ids),
      text.includes("\ufeff") ? decoded.replace("\ufeff", "") : decoded,
      name,
    );
  }
  for (const { ids, decoded, whole } of sequences) {
    t.is(small.decode(ids), decoded);
    t.is(small.decode(ids, { skipSpecialTokens: false }), whole);
  }
});

test("pieces, and which of them are special", (t) => {
  t.is(small.piece(SMALL.newline), "\n");
  t.is(small.piece(SMALL.separator!), "▁;");
  t.is(small.piece(BigInt(size + 12)), "<loc0012>");
  t.is(small.piece(4 + 0xe2), "<0xE2>");
  t.throws(() => small.piece(size + 1153), { code: "BAD_INPUT", message: /ids below 1895/ });
  const special = [0, 1, 2, 3, SMALL.image];
  const all = Array.from({ length: small.vocabularySize }, (_, id) => id);
  t.deepEqual(
    all.filter((id) => small.isSpecial(id)),
    special,
  );
});

test("tokens that a file lacks get the published ids", async (t) => {
  const folder = fixture("paligemma_tokens");
  const plain = await Tokenizer.load(folder);
  t.true(plain.encode("<loc0012>", bare).length > 1);
  const tokenizer = await Tokenizer.load(folder, { define: withPaliGemmaTokens });
  t.deepEqual(tokenizer.encode("<loc0012>", bare), [256012]);
  t.deepEqual(tokenizer.encode("<seg003>", bare), [257027]);
  t.deepEqual(tokenizer.encode("<image>", bare), [257152]);
  const ids = [2, 256000, 257023, 257024, 257151, 257152, 1];
  t.is(tokenizer.decode(ids), "<loc0000><loc1023><seg000><seg127>");
  t.is(
    tokenizer.decode(ids, { skipSpecialTokens: false }),
    "<bos><loc0000><loc1023><seg000><seg127><image><eos>",
  );
});

test("what is there already stays as it is", (t) => {
  const given = definition();
  const once = withPaliGemmaTokens(given, SMALL);
  t.is(once.added_tokens.length, given.added_tokens.length + LOC_BINS + SEG_CODES + 1);
  t.is(withPaliGemmaTokens(once, TOKENS), once);
  // As files of transformers: places in the vocabulary itself, and some of them added as well.
  const vocab = Object.fromEntries(
    once.added_tokens.filter(({ id }) => id >= size).map(({ content, id }) => [content, id]),
  );
  const inside = {
    ...given,
    added_tokens: once.added_tokens.filter(({ id }) => id < size + 10),
    model: { ...given.model, vocab: { ...given.model.vocab, ...vocab } },
  };
  const mended = withPaliGemmaTokens(inside, SMALL).added_tokens;
  t.deepEqual(mended, once.added_tokens);
});

test("an id that belongs to another token is told", (t) => {
  const layout = { ...SMALL, firstLoc: 700 };
  t.throws(() => withPaliGemmaTokens(definition(), layout), {
    code: "BAD_CHECKPOINT",
    message: /^expected <loc0000> as token 700 of the tokenizer but received /,
  });
});

test("the layout is read off a tokenizer", (t) => {
  t.deepEqual(layoutOf(small), SMALL);
  const encode = (text: string) => (text === " ;" ? [1, 2] : small.encode(text, bare));
  t.is(layoutOf({ encode }).separator, undefined);
  const shifted = (text: string) => (text === "<loc1023>" ? [5] : encode(text));
  const other = { code: "BAD_CHECKPOINT", message: /<loc1023> as token 1765 .* received it as 5/ };
  t.throws(() => layoutOf({ encode: shifted }), other);
  const none = (text: string) => (text === "<image>" ? [1, 2, 3] : encode(text));
  const message = /^expected one token for "<image>" in the tokenizer but received 3$/;
  t.throws(() => layoutOf({ encode: none }), { code: "BAD_CHECKPOINT", message });
});

test("a folder's tokenizer is read once; what failed may be mended", async (t) => {
  const folder = temporary(t);
  await t.throwsAsync(loadTokenizer(folder), { code: "NOT_FOUND" });
  copyFileSync(FILE, join(folder, "tokenizer.json"));
  const [one, other] = await Promise.all([loadTokenizer(folder), loadTokenizer(`${folder}/.`)]);
  t.is(one, other);
  rmSync(join(folder, "tokenizer.json"));
  t.is(await loadTokenizer(folder), one);
  t.deepEqual(one.encode("<loc0012>", bare), [256012]);
});

test("<image> of a config keeps its id", async (t) => {
  const folder = temporary(t);
  copyFileSync(FILE, join(folder, "tokenizer.json"));
  const settings = { additional_special_tokens: ["<image>"], bos_token: "<bos>" };
  writeFileSync(join(folder, "tokenizer_config.json"), JSON.stringify(settings));
  const tokenizer = await loadTokenizer(folder);
  t.deepEqual(tokenizer.encode("<image>"), [2, 257152]);
  t.true(tokenizer.isSpecial(257152));
});

gemmaTest("Gemma's own vocabulary: the ids of the Rust crate", async (t) => {
  t.timeout(120_000);
  const tokenizer = await loadTokenizer(gemmaFolder!);
  t.deepEqual(layoutOf(tokenizer), TOKENS);
  const rows: number[][] = JSON.parse(
    readFileSync(fixture("paligemma_tokens", "gemma.json"), "utf8"),
  );
  for (const [place, { text }] of texts.entries()) {
    t.deepEqual(tokenizer.encode(text, bare), rows[place], JSON.stringify(text.slice(0, 40)));
  }
  t.deepEqual(tokenizer.encode("a\n", bare).at(-1), 108);
  t.deepEqual(tokenizer.encode("\n\n", bare), [109]);
  t.is(tokenizer.decode([2, 256012, 257027, 257152, 1]), "<loc0012><seg003>");
});
