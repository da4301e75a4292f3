/** Text that comes token by token: whole characters, stops, and the same text in the end. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { TextStream, type TextStreamOptions } from "../../lib/text/text_stream.js";
import { Tokenizer } from "../../lib/text/tokenizer.js";
import { fixture, temporary } from "../models/fixtures.js";
import { gemmaFolder, gemmaTest, SMALL, sequences, small, texts } from "./gemma.js";

const bytes = (text: string) => [...new TextEncoder().encode(text)].map((byte) => 4 + byte);
const id = (text: string) => small.encode(text, { specialTokens: false })[0]!;

/** What each token gives, and what is left. */
function deltas(ids: readonly number[], options?: TextStreamOptions, tokenizer = small): string[] {
  const stream = new TextStream(tokenizer, options);
  return [...ids.map((one) => stream.push(one)), stream.flush()];
}

function sameAsWhole(t: ExecutionContext, ids: readonly number[], tokenizer = small): void {
  for (const skipSpecialTokens of [true, false]) {
    const options = { skipSpecialTokens };
    const parts = deltas(ids, options, tokenizer);
    t.is(parts.join(""), tokenizer.decode(ids, options), JSON.stringify(ids));
    for (const part of parts) t.notRegex(part, /\p{Surrogate}/u);
  }
}

test("a character of bytes comes when it is whole", (t) => {
  t.deepEqual(deltas(bytes("😀é")), ["", "", "", "😀", "", "é", ""]);
  t.deepEqual(deltas([id("猫"), ...bytes("犬"), id("猫")]), ["猫", "", "", "犬", "猫", ""]);
  t.deepEqual(deltas(bytes("a😀")), ["a", "", "", "", "😀", ""]);
});

test("bytes that make no character become U+FFFD", (t) => {
  const [e2, x82, ff] = [4 + 0xe2, 4 + 0x82, 4 + 0xff];
  t.deepEqual(deltas([e2, x82]), ["", "", "�"]);
  t.deepEqual(deltas([e2, x82, id("猫")]), ["", "", "�猫", ""]);
  t.deepEqual(deltas([e2, 4 + 0x41]), ["", "�A", ""]);
  t.deepEqual(deltas([ff, ...bytes("é")]), ["�", "", "é", ""]);
  t.deepEqual(deltas([x82, x82]), ["�", "�", ""]);
  for (const ids of [
    [e2, x82],
    [e2, x82, 4 + 0xac, ff],
    [ff, e2, ff, id("猫"), e2],
  ]) {
    sameAsWhole(t, ids);
  }
});

test("special tokens are left out, and do not part a character; places stay", (t) => {
  const [a, b, c, d] = bytes("😀") as [number, number, number, number];
  t.deepEqual(deltas([2, a, b, 1, c, d, 1]), ["", "", "", "", "", "😀", "", ""]);
  const whole = deltas([a, b, 1, c], { skipSpecialTokens: false });
  t.deepEqual(whole, ["", "", "�<eos>", "�", ""]);
  const places = [SMALL.firstLoc + 7, SMALL.firstSeg + 3, SMALL.image, id(" cat")];
  t.deepEqual(deltas(places), ["<loc0007>", "<seg003>", "", " cat", ""]);
});

test("what comes in parts is what is decoded at once: texts and sequences", (t) => {
  for (const { ids } of [...texts, ...sequences]) sameAsWhole(t, ids);
});

test("what comes in parts is what is decoded at once: any tokens", (t) => {
  let seed = 1;
  const random = (below: number) => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return Math.floor((seed / 2 ** 32) * below);
  };
  for (let round = 0; round < 400; round += 1) {
    // Two of three are bytes, and most of these are not ASCII.
    const one = () => {
      const kind = random(6);
      if (kind < 3) return 4 + 128 + random(128);
      return kind === 3 ? 4 + random(256) : random(small.vocabularySize);
    };
    sameAsWhole(t, Array.from({ length: 1 + random(20) }, one));
  }
});

test("a tokenizer that drops the first space", async (t) => {
  const folder = temporary(t);
  const definition = JSON.parse(
    readFileSync(fixture("paligemma_tokens", "tokenizer.json"), "utf8"),
  );
  definition.decoder.decoders.push({ type: "Strip", content: " ", start: 1, stop: 0 });
  writeFileSync(join(folder, "tokenizer.json"), JSON.stringify(definition));
  const tokenizer = await Tokenizer.load(folder);
  const ids = tokenizer.encode(" cat dog 猫 cat", { specialTokens: false });
  t.deepEqual(deltas(ids, {}, tokenizer).slice(0, 2), ["cat", " dog"]);
  sameAsWhole(t, ids, tokenizer);
});

test("without byte fallback, <0x41> is a text", async (t) => {
  const folder = temporary(t);
  const model = { type: "BPE", vocab: { a: 0, "<0x41>": 1 }, merges: [], unk_token: "a" };
  const decoder = { type: "Fuse" };
  writeFileSync(join(folder, "tokenizer.json"), JSON.stringify({ model, decoder }));
  const tokenizer = await Tokenizer.load(folder);
  t.deepEqual(deltas([0, 1, 0], {}, tokenizer), ["a", "<0x41>", "a", ""]);
});

test("a stop text ends the stream, wherever tokens part it", (t) => {
  const ids = small.encode("the cat ; dog\nsleeps", { specialTokens: false });
  const run = (...stop: string[]) => {
    const stream = new TextStream(small, { stop });
    const parts = ids.map((one) => stream.push(one));
    return { text: parts.join("") + stream.flush(), stopped: stream.stopped };
  };
  t.deepEqual(run("\n"), { text: "the cat ; dog", stopped: "\n" });
  t.deepEqual(run(" ; "), { text: "the cat", stopped: " ; " });
  t.deepEqual(run("t ; d", "og"), { text: "the ca", stopped: "t ; d" });
  t.deepEqual(run("the"), { text: "", stopped: "the" });
  t.deepEqual(run("bird"), { text: "the cat ; dog\nsleeps", stopped: undefined });
  t.deepEqual(run("sleeps!"), { text: "the cat ; dog\nsleeps", stopped: undefined });
  t.deepEqual(run("og", "dog"), { text: "the cat ; ", stopped: "dog" });
});

test("text that may begin a stop is held back, no more", (t) => {
  const stream = new TextStream(small, { stop: ["abab!", "猫😀"] });
  const push = (text: string) =>
    bytes(text)
      .map((byte) => stream.push(byte))
      .join("|");
  t.is(push("xab"), "x||");
  t.is(push("ab"), "|");
  t.is(push("a"), "ab");
  t.is(push("c"), "abac");
  t.is(push("猫"), "||");
  t.is(push("犬"), "||猫犬");
  t.is(push("猫"), "||");
  t.is(push("😀b"), "||||");
  t.is(stream.stopped, "猫😀");
  t.is(stream.flush(), "");
  t.is(stream.push(id(" cat")), "");
});

test("what was held back comes with flush", (t) => {
  const stream = new TextStream(small, { stop: ["ab!"] });
  t.is(
    bytes("xab")
      .map((byte) => stream.push(byte))
      .join(""),
    "x",
  );
  t.is(stream.flush(), "ab");
  t.is(stream.stopped, undefined);
});

test("refused: empty stops, no list, ids that are none", (t) => {
  for (const stop of [[""], "\n", [5], [undefined], null]) {
    const options = { stop: stop as string[] };
    t.throws(() => new TextStream(small, options), { code: "BAD_INPUT", message: /for stop/ });
  }
  t.throws(() => new TextStream(small).push(1e6), { code: "BAD_INPUT" });
});

gemmaTest("Gemma's own vocabulary: emoji, CJK and controls in parts", async (t) => {
  t.timeout(120_000);
  const tokenizer = await Tokenizer.load(gemmaFolder!);
  for (const { text } of texts) {
    const ids = tokenizer.encode(text, { specialTokens: false });
    sameAsWhole(t, ids, tokenizer);
  }
  // A flag and an old script are no tokens: they come as bytes.
  const rare = tokenizer.encode("𓀀𓁐", { specialTokens: false });
  t.true(rare.some((one) => /^<0x..>$/.test(tokenizer.piece(one))));
  t.deepEqual(
    deltas(rare, {}, tokenizer).filter((part) => part !== ""),
    ["𓀀", "𓁐"],
  );
});
