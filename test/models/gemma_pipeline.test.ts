/** Gemma as users call it: texts and their tokens, batches, draws, ends, bad input, jobs. */
import { copyFileSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import test from "ava";
import { tensor } from "../../lib/core/create.js";
import { load } from "../../lib/core/load.js";
import { memory } from "../../lib/core/machine.js";
import type { GenerateOptions } from "../../lib/generation/options.js";
import type { TokenEvent } from "../../lib/generation/types.js";
import "../../lib/models/index.js";
import type { GemmaMethods } from "../../lib/models/gemma/methods.js";
import { Gemma } from "../../lib/models/gemma/pipeline.js";
import { agrees, fixture, numbers, temporary, tensorsOf } from "./fixtures.js";

const CONFIG = {
  model_type: "gemma2",
  vocab_size: 742,
  hidden_size: 32,
  intermediate_size: 48,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  head_dim: 8,
  max_position_embeddings: 256,
} as const;
const TOKENIZER = fixture("paligemma_tokens");
const random = (options = {}) =>
  Gemma.random(CONFIG, { seed: 3, tokenizer: TOKENIZER, ...options });
const DRAWN: GenerateOptions = { temperature: 1.5, seed: 5, maxNewTokens: 24, stopTokens: [] };

test("a text streams as whole characters that come to the text", async (t) => {
  await using gemma = await random();
  const job = gemma.generate("A photo of", DRAWN);
  const events: TokenEvent[] = [];
  for await (const event of job) events.push(event);
  const { text, tokenIds, logprobs, finishReason, timings } = await job;
  t.is(events.map(({ textDelta }) => textDelta).join(""), text);
  t.is(text, (await gemma.tokenizer()).decode(tokenIds));
  t.true(new Set(tokenIds).size > 12, "a draw of many tokens");
  t.deepEqual(
    events.map(({ tokenId, index, logprob, row }) => [tokenId, index, logprob, row]),
    tokenIds.map((id, index) => [id, index, logprobs[index]!, 0]),
  );
  t.deepEqual(events.map((event) => event.finishReason).filter(Boolean), ["length"]);
  t.is(finishReason, "length");
  t.true(timings.first > 0 && timings.total >= timings.first);
});

test("a seed decides on a text, whatever else is in the batch", async (t) => {
  await using gemma = await random();
  const prompts = ["A", "The quick brown fox jumps over", "once more"];
  const seeds = [1, 2, 1];
  const texts = await gemma.generate(prompts, { ...DRAWN, seed: seeds });
  for (const [place, prompt] of prompts.entries()) {
    const alone = await gemma.generate(prompt, { ...DRAWN, seed: seeds[place] });
    t.deepEqual(alone.tokenIds, texts[place]!.tokenIds, prompt);
  }
  const other = await gemma.generate("A", { ...DRAWN, seed: 9 });
  t.notDeepEqual(other.tokenIds, texts[0]!.tokenIds);
});

test("scores are what generating says, whole or token by token", async (t) => {
  await using gemma = await random();
  const { tokenIds, logprobs } = await gemma.generate("Say", { ...DRAWN, maxNewTokens: 8 });
  const scored = await gemma.score("Say", tokenIds);
  t.deepEqual(scored.tokenIds, tokenIds);
  for (const [place, one] of scored.logprobs.entries()) {
    t.true(Math.abs(one - logprobs[place]!) < 1e-4);
  }
  const sum = scored.logprobs.reduce((total, one) => total + one, 0);
  t.is(scored.total, sum);
});

test("texts end by tokens, by texts, and by their length", async (t) => {
  await using gemma = await random();
  const whole = await gemma.generate("A", DRAWN);
  const at = whole.tokenIds.findIndex(
    (id, place) => place > 3 && whole.tokenIds.indexOf(id) === place,
  );
  const byToken = await gemma.generate("A", { ...DRAWN, stopTokens: [whole.tokenIds[at]!] });
  t.is(byToken.finishReason, "eos");
  t.deepEqual(byToken.tokenIds, whole.tokenIds.slice(0, at + 1));
  t.is(byToken.text, (await gemma.tokenizer()).decode(whole.tokenIds.slice(0, at)));

  const stop = whole.text.slice(8, 11);
  const job = gemma.generate("A", { ...DRAWN, stop: [stop, "never there"] });
  let streamed = "";
  for await (const { textDelta } of job) streamed += textDelta;
  const byText = await job;
  t.is(byText.finishReason, "stop");
  t.is(byText.text, whole.text.slice(0, whole.text.indexOf(stop)));
  t.is(streamed, byText.text);
  t.true(byText.tokenIds.length < whole.tokenIds.length);
});

test("of several draws the likeliest is kept, and allowed tokens are the only ones", async (t) => {
  await using gemma = await random();
  const total = ({ logprobs }: { logprobs: number[] }) =>
    logprobs.reduce((sum, one) => sum + one, 0);
  const options = { ...DRAWN, maxNewTokens: 6 };
  const best = await gemma.generate("A", { ...options, bestOf: 8 });
  const one = await gemma.generate("A", options);
  t.true(total(best) >= total(one), "the first draw competes as well");
  const allowed = [300, 301, 302];
  const bound = await gemma.generate("A", { ...DRAWN, allowedTokens: allowed });
  t.true(bound.tokenIds.every((id) => allowed.includes(id)));
  const scored = await gemma.score("A", bound.tokenIds);
  t.true(Math.abs(scored.total - total(bound)) < 1e-3, "log-probabilities of the model itself");
});

test("beams find what the reference finds", async (t) => {
  for (const [name, model] of [
    ["beam_gqa", "gemma/gqa"],
    ["beam_batch", "paligemma/batch"],
  ] as const) {
    const given = await import(fixture("generation", name, "case.json"), {
      with: { type: "json" },
    });
    const { max_new_tokens, eos_token_id, beams } = given.default;
    const expected = await tensorsOf(fixture("generation", name, "expected.safetensors"));
    const inputs = await tensorsOf(fixture(model, "inputs.safetensors"));
    const prompt = (part: string) => inputs[`prompt.${part}`] ?? inputs[part];
    await using module = await load<GemmaMethods>(fixture(model));
    // One hypothesis is plain decoding here, which does not weigh an end against going on.
    for (const count of (beams as number[]).filter((one) => one > 1)) {
      const { sequences, logprobs } = await module.call(
        "generate",
        {
          input_ids: prompt("input_ids")!,
          attention_mask: prompt("attention_mask"),
          ...(inputs.pixel_values && { pixel_values: inputs.pixel_values }),
        },
        { args: { max_new_tokens, eos_token_id: [eos_token_id], num_beams: count } },
      );
      const wanted = expected[`n${count}.sequences`]!;
      const width = sequences.shape[1]! - logprobs.shape[1]!;
      const found = (await sequences.toArray()) as unknown as number[][];
      const theirs = (await wanted.toArray()) as unknown as number[][];
      t.deepEqual(
        found.map((row) => row.slice(width)),
        theirs.map((row) => row.slice(0, logprobs.shape[1]!)),
        `${name} ${count}`,
      );
    }
  }
});

test("sessions keep the cache, give it away and take it back", async (t) => {
  await using gemma = await random();
  const ids = tensor([5n, 300n, 301n, 302n, 303n, 304n], { shape: [1, 6], dtype: "int64" });
  const all = await gemma.module.call("forward", { input_ids: ids });
  using session = gemma.module.openSession("cache", { max_length: 12 });
  await t.throwsAsync(async () => await session.call("step", { input_ids: ids }), {
    code: "BAD_INPUT",
  });
  const part = (from: number, to: number) =>
    tensor([5n, 300n, 301n, 302n, 303n, 304n].slice(from, to), {
      shape: [1, to - from],
      dtype: "int64",
    });
  await session.call("prefill", { input_ids: part(0, 3) });
  const before = session.snapshot();
  const { logits } = await session.call("step", { input_ids: part(3, 6) });
  const last = (await numbers(all.logits)).slice(-742);
  await agrees(t, "logits", logits!, tensor([...last], { shape: [1, 742] }));
  session.restore(before);
  const again = await session.call("step", { input_ids: part(3, 6) });
  await agrees(t, "after restore", again.logits!, logits!, 0);
  const args = { max_new_tokens: 3, eos_token_id: [] };
  const { sequences } = await session.call("generate", {}, { args });
  const direct = await gemma.module.call("generate", { input_ids: ids }, { args });
  t.deepEqual((await numbers(direct.sequences)).slice(6), await numbers(sequences!));
  await session.call("step", { input_ids: part(0, 5) });
  await t.throwsAsync(async () => await session.call("step", { input_ids: part(0, 2) }), {
    code: "BAD_INPUT",
    message: /at most 1 further tokens/,
  });
  t.throws(() => session.restore({ logits: before.logits! }), { code: "BAD_INPUT" });
});

test("what is saved gives the same logits; integers cannot be saved", async (t) => {
  const folder = temporary(t);
  await using gemma = await random();
  await gemma.save(folder);
  // transformers refuses integers where it has floats.
  const config = readFileSync(join(folder, "config.json"), "utf8");
  t.regex(config, /"attn_logit_softcapping": 50\.0,?$/m);
  t.regex(config, /"query_pre_attn_scalar": 256,?$/m);
  await using again = await Gemma.load(folder);
  const input_ids = tensor([2n, 300n, 17n], { shape: [1, 3], dtype: "int64" });
  const { logits } = await gemma.module.call("forward", { input_ids });
  const { logits: after } = await again.module.call("forward", { input_ids });
  await agrees(t, "logits", after, logits, 0);
  t.is((await again.generate("A", DRAWN)).text, (await gemma.generate("A", DRAWN)).text);
  await using small = await Gemma.load(folder, { weights: "int8" });
  await t.throwsAsync(async () => await small.save(temporary(t)), { code: "UNSUPPORTED" });
});

test.serial(
  "cancelled in the prompt and in the text, and what it took is given back",
  async (t) => {
    await using gemma = await random();
    await gemma.generate("A", DRAWN);
    const before = memory().live;
    const prompt = Array.from({ length: 200 }, (_, place) => 300 + place);
    const early = gemma.generate(prompt, { maxNewTokens: 40, stopTokens: [] });
    early.cancel();
    await t.throwsAsync(async () => await early, { code: "CANCELLED" });
    const job = gemma.generate("A", { maxNewTokens: 200, stopTokens: [] });
    let count = 0;
    for await (const _ of job) if (++count === 3) break;
    await t.throwsAsync(async () => await job, { code: "CANCELLED" });
    const aborted = gemma.generate("A", { maxNewTokens: 200, stopTokens: [], deadline: 1 });
    await t.throwsAsync(async () => await aborted, { code: "DEADLINE" });
    await sleep(50);
    t.true(memory().live - before < 1e5, `${memory().live - before} bytes are left`);
  },
);

test("eight at once are what each is alone", async (t) => {
  await using gemma = await random();
  const prompts = Array.from({ length: 8 }, (_, place) => `prompt number ${place}`);
  const together = await Promise.all(prompts.map((one) => gemma.generate(one, DRAWN)));
  for (const [place, prompt] of prompts.entries()) {
    const alone = await gemma.generate(prompt, DRAWN);
    t.deepEqual(together[place]!.tokenIds, alone.tokenIds);
  }
});

test("bad input is refused with its code", async (t) => {
  await using gemma = await random();
  const refused = async (work: () => PromiseLike<unknown>, message: RegExp, code = "BAD_INPUT") => {
    await t.throwsAsync(async () => await work(), { code, message });
  };
  await refused(() => gemma.generate("word ".repeat(400)), /prompt of at most 0 tokens/);
  await refused(
    () => gemma.generate("word ".repeat(400), { maxNewTokens: 8 }),
    /at most 248 tokens/,
  );
  await refused(() => gemma.generate([]), /at least one/);
  await refused(() => gemma.generate(7 as never), /a text or token ids/);
  await refused(() => gemma.generate([-1]), /token ids/);
  await refused(() => gemma.generate([742], { maxNewTokens: 1 }), /ids from 0 to 741/);
  const short = { maxNewTokens: 2 };
  await refused(() => gemma.generate("A", { ...short, temperature: 0 }), /above 0 for temperature/);
  await refused(() => gemma.generate("A", { ...short, topP: 1.5 }), /top_p/);
  await refused(() => gemma.generate("A", { ...short, topK: -1 }), /top_k/);
  await refused(() => gemma.generate("A", { ...short, seed: -1 }), /seed/);
  await refused(
    () => gemma.generate(["A", "B"], { ...short, seed: [1, 2, 3] }),
    /a seed for each row/,
  );
  await refused(
    () => gemma.generate("A", { ...short, beams: 2, temperature: 2 }),
    /beams or samples/,
  );
  await refused(() => gemma.generate("A", { ...short, stop: [""] }), /not empty/);
  await refused(
    () => gemma.generate("A", { ...short, allowedTokens: [9999] }),
    /allowed_token_ids/,
  );
  await refused(() => gemma.generate("A", { maxNewTokens: 0 }), /max_new_tokens/);
  await refused(() => Gemma.load(fixture("owlvit", "base")), /gemma or gemma2/);
  await using bare = await Gemma.random(CONFIG);
  await refused(() => bare.generate("A"), /a tokenizer beside it/, "UNSUPPORTED");
});

test("isolated, a text streams from the other process", async (t) => {
  const folder = temporary(t);
  await using gemma = await random();
  await gemma.save(folder);
  copyFileSync(join(TOKENIZER, "tokenizer.json"), join(folder, "tokenizer.json"));
  await using away = await Gemma.load(folder, { isolate: true });
  const job = away.generate("A photo of", DRAWN);
  let text = "";
  for await (const { textDelta } of job) text += textDelta;
  t.is(text, (await gemma.generate("A photo of", DRAWN)).text);
});
