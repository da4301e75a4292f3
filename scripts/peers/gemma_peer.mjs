// What the decoders on Node.js share as peers of `npm run bench`: how they are called and answer.
//
//     node scripts/peers/gemma_….mjs FOLDER PROMPT [--steps 32] [--threads 2]
//
// PROMPT is a JSON list of token ids. Prints "ready"; then answers each line on stdin: `run` with
// the seconds {"prefill", "decode"} of reading the prompt and of the steps after it, `text` with
// the likeliest tokens and the logits of the first one, {"tokens", "logits"}.
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";

/**
 * Runs a peer. `load` gets `{folder, prompt, steps, threads}` and gives `{prefill, decode}`: both
 * are timed. `prefill` resolves to a function that resolves to the logits, `decode` to the tokens.
 */
export async function serve(load) {
  const { positionals, values } = parseArgs({
    allowPositionals: true,
    options: {
      steps: { type: "string", default: "32" },
      threads: { type: "string", default: "2" },
    },
  });
  const [folder, prompt] = positionals;
  const [steps, threads] = [values.steps, values.threads].map(Number);
  const { prefill, decode } = await load({ folder, prompt: JSON.parse(prompt), steps, threads });
  await prefill();
  await decode();
  console.log("ready");
  for await (const line of createInterface({ input: process.stdin })) {
    const start = performance.now();
    const logits = await prefill();
    const middle = performance.now();
    const tokens = await decode();
    const seconds = (from, to) => (to - from) / 1000;
    const answer =
      line === "run"
        ? { prefill: seconds(start, middle), decode: seconds(middle, performance.now()) }
        : { tokens: Array.from(tokens, Number), logits: Array.from(await logits()) };
    console.log(JSON.stringify(answer));
  }
}
