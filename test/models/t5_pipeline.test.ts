/** T5's encoder as users call it: texts to features, tokens as transformers makes them. */
import { copyFileSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { ops } from "../../lib/core/ops.js";
import { parseConfig, T5Encoder } from "../../lib/models/t5/index.js";
import { loadTokenizer, tokensOf } from "../../lib/models/t5/processing.js";
import { agrees, fixture, numbers, temporary } from "./fixtures.js";

interface Cases {
  size: number;
  texts: { text: string; ids: number[] }[];
  batches: {
    texts: string[];
    max_length: number | null;
    input_ids: number[][];
    attention_mask: number[][];
  }[];
}

const { size, texts, batches } = JSON.parse(
  readFileSync(fixture("t5_tokens", "cases.json"), "utf8"),
) as Cases;

const SMALL = {
  model_type: "t5",
  feed_forward_proj: "gated-gelu",
  vocab_size: size,
  d_model: 16,
  d_kv: 4,
  d_ff: 24,
  num_layers: 2,
  num_heads: 2,
} as const;
const TOKENS = fixture("t5_tokens");

function tokenizerCopy(t: ExecutionContext): string {
  const folder = temporary(t);
  for (const name of readdirSync(TOKENS)) copyFileSync(join(TOKENS, name), join(folder, name));
  return folder;
}

test("ids are those of T5Tokenizer, the end mark included", async (t) => {
  const tokenizer = await loadTokenizer(TOKENS, parseConfig(SMALL));
  t.is(tokenizer.vocabularySize, size);
  t.true(texts.length >= 200);
  for (const { text, ids } of texts) t.deepEqual(tokenizer.encode(text), ids, JSON.stringify(text));
});

test("batches are padded, cut and masked as T5Tokenizer does it", async (t) => {
  const tokenizer = await loadTokenizer(TOKENS, parseConfig(SMALL));
  for (const { texts: list, max_length: most, input_ids, attention_mask } of batches) {
    const got = tokensOf(tokenizer, list, most ?? 256, most === null ? "longest" : "max");
    t.deepEqual(got.input_ids.shape, [input_ids.length, input_ids[0]!.length]);
    t.deepEqual([...(await numbers(got.input_ids))], input_ids.flat());
    t.deepEqual([...(await numbers(got.attention_mask))], attention_mask.flat());
  }
});

test("batches equal singles, and nothing stands at padding", async (t) => {
  await using t5 = await T5Encoder.random(SMALL, { seed: 1, tokenizer: TOKENS });
  const list = ["a black cat", "two dogs and a bird in front of the house", ""];
  using all = await t5.encodeText(list);
  using wide = await t5.encodeText(list, { maxLength: 40, padToMax: true });
  t.is(wide.features.shape[1], 40);
  t.is(wide.mask.shape[1], 40);
  for (const [place, text] of list.entries()) {
    using one = await t5.encodeText(text);
    const length = one.features.shape[1]!;
    for (const batch of [all, wide]) {
      const row = ops.narrow(batch.features, 0, place, 1);
      await agrees(t, text, one.features, ops.narrow(row, 1, 0, length));
      const behind = await numbers(ops.narrow(row, 1, length, row.shape[1]! - length));
      t.true(behind.every((value) => value === 0));
    }
    const seen = await numbers(ops.sum(ops.narrow(all.mask, 0, place, 1)));
    t.is(seen[0], length);
  }
  using empty = await t5.encodeText("");
  t.deepEqual(empty.features.shape, [1, 1, 16]);
});

test("what is saved reads the same", async (t) => {
  const folder = temporary(t);
  await using t5 = await T5Encoder.random(SMALL, { seed: 1, tokenizer: TOKENS });
  await t5.save(folder);
  await using again = await T5Encoder.load(folder);
  using one = await t5.encodeText("a red car");
  using two = await again.encodeText("a red car");
  await agrees(t, "features", two.features, one.features, 0);
});

test("bad input is refused with its code", async (t) => {
  await using t5 = await T5Encoder.random(SMALL, { tokenizer: TOKENS });
  const refused = (work: () => PromiseLike<unknown>, code: string, message: RegExp) =>
    t.throwsAsync(async () => await work(), { code, message });
  await refused(() => t5.encodeText([]), "BAD_INPUT", /at least one text/);
  await refused(() => t5.encodeText(["a", 7 as never]), "BAD_INPUT", /texts\[1\]/);
  await refused(() => t5.encodeText("a", { maxLength: 0 }), "BAD_INPUT", /maxLength/);
  await refused(() => T5Encoder.load(7 as never), "BAD_INPUT", /a path or a name/);
  await refused(() => T5Encoder.load(fixture("gemma", "mqa")), "BAD_INPUT", /type t5/);
  const abort = new AbortController();
  const job = t5.encodeText("a cat", { signal: abort.signal });
  abort.abort();
  await refused(() => job, "CANCELLED", /cancelled/);
  await using deaf = await T5Encoder.random(SMALL);
  await refused(() => deaf.encodeText("a"), "UNSUPPORTED", /a tokenizer beside it/);
  await using narrow = await T5Encoder.random({ ...SMALL, vocab_size: 99 }, { tokenizer: TOKENS });
  await refused(() => narrow.encodeText("a"), "BAD_CHECKPOINT", /at most vocab_size = 99/);

  const folder = tokenizerCopy(t);
  await using other = await T5Encoder.random(SMALL, { tokenizer: folder });
  const settings = join(folder, "tokenizer_config.json");
  const { pad_token: _, ...rest } = JSON.parse(readFileSync(settings, "utf8"));
  writeFileSync(settings, JSON.stringify(rest));
  await refused(() => other.encodeText("a"), "BAD_CHECKPOINT", /a pad_token and an eos_token/);
  rmSync(join(folder, "tokenizer.json"));
  writeFileSync(join(folder, "spiece.model"), "");
  await refused(() => other.encodeText("a"), "UNSUPPORTED", /spiece\.model alone/);
});
