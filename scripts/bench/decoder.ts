/** The language model, from a prompt to tokens, beside other programs on the same weights. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import {
  DECODER,
  drawPrompts,
  PROMPT,
  STEPS,
  WEIGHTS,
  writeDecoder,
} from "../../dist/bench/decoder.js";
import { paired } from "../../dist/bench/measure.js";
import type { Benchmark, Row } from "../../dist/bench/report.js";
import { compared, PAIRS, Peer } from "./peer.js";
import { made, packageFolder, peersFolder, peersPython, run, scriptOf } from "./setup.js";

const NAME = "gemma-283m";
const THREADS = 2;

/** Seconds of one text. */
interface Times {
  prefill: number;
  decode: number;
}

/** The likeliest tokens, and the logits of the first one. */
interface Text {
  tokens: number[];
  logits: number[];
}

/** How one program is started; `args` are those that all of them take. */
type Start = (args: string[]) => Promise<Peer>;

const checkpoint = () => made(NAME, { ...DECODER, ...WEIGHTS }, writeDecoder);

/** The model as ONNX in its folder. */
async function exported(folder: string): Promise<void> {
  const script = scriptOf("gemma_export.py");
  const sources = [script, scriptOf("gemma_model.py")].map((file) => readFileSync(file, "utf8"));
  await made(join(NAME, "onnx"), { sources }, (onnx) => run(peersPython(), [script, folder, onnx]));
}

const node = (script: string, args: string[], cwd = peersFolder) =>
  Peer.start(process.execPath, [scriptOf(script), ...args], cwd);

const transformers: Start = (args) =>
  Peer.start(peersPython(), [scriptOf("gemma_transformers.py"), ...args], peersFolder);

const onnxruntime: Start = async (args) => {
  await exported(args[0]!);
  return node("gemma_onnxruntime.mjs", args, packageFolder("onnxruntime-node"));
};

const PROGRAMS: Record<string, { title: string; start: Start }> = {
  transformers: { title: "transformers eager", start: transformers },
  onnxruntime: { title: "onnxruntime-node", start: onnxruntime },
};

/** How many tokens are the same up to the first that differs, and how far logits are apart. */
function agreement(ours: Text, theirs: Text): string {
  const differs = ours.tokens.findIndex((token, i) => token !== theirs.tokens[i]);
  const alike = differs < 0 ? ours.tokens.length : differs;
  const gaps = ours.logits.map((logit, i) => Math.abs(logit - theirs.logits[i]!));
  const largest = gaps.reduce((a, b) => Math.max(a, b)) / deviation(theirs.logits);
  const apart = `logits within ${largest.toExponential(1)}`;
  return `${alike} of ${ours.tokens.length} tokens alike, ${apart}`;
}

function deviation(values: readonly number[]): number {
  const mean = values.reduce((a, b) => a + b) / values.length;
  return Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length);
}

/** Both in processes of their own, on as many threads, run in turn. */
async function* compare(title: string, start: Start): AsyncIterable<Row> {
  using ids = drawPrompts();
  const prompt = Array.from(await ids.data(), Number);
  const options = ["--steps", `${STEPS}`, "--threads", `${THREADS}`];
  const args = [await checkpoint(), JSON.stringify(prompt), ...options];
  await using theirs = await start(args);
  await using ours = await node("gemma_torchsight.mjs", args);
  const text = async (peer: Peer) => JSON.parse(await peer.ask("text")) as Text;
  const note = agreement(await text(ours), await text(theirs));
  const times = async (peer: Peer) => JSON.parse(await peer.ask("run")) as Times;
  const [mine, others]: [Times[], Times[]] = [[], []];
  for (let i = 0; i < PAIRS; i++) {
    mine.push(await times(ours));
    others.push(await times(theirs));
  }
  const row = (name: string, seconds: (of: Times) => number) => {
    const { ours, ratio } = paired(mine.map(seconds), others.map(seconds));
    return compared(name, title, ours, ratio);
  };
  yield { ...row(`Gemma 283M, ${PROMPT} tokens read`, ({ prefill }) => prefill), note };
  yield row("Gemma 283M, a further token", ({ decode }) => decode / STEPS);
}

/** The decoder beside each program. */
export const decoderPeers: readonly Benchmark[] = Object.entries(PROGRAMS).map(
  ([peer, { title, start }]) => ({ name: `gemma-${peer}`, run: () => compare(title, start) }),
);
