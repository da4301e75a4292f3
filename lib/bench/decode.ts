import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ones } from "../core/create.js";
import { ops } from "../core/ops.js";
import { native } from "../core/runtime.js";
import { tidy } from "../core/scope.js";
import type { Tensor } from "../core/tensor.js";
import type { GemmaLoadOptions } from "../models/gemma/pipeline.js";
import {
  Decoding,
  drawPrompts,
  exactly,
  PROMPT,
  prefillFlops,
  STEPS,
  stepWeights,
  writeDecoder,
} from "./decoder.js";
import { MM_FLOPS, squareProduct } from "./encode.js";
import { type Estimate, estimate, pairs, seconds, type Timed, triplets } from "./measure.js";
import type { Benchmark, Row } from "./report.js";

const ROUNDS = 15;
/** Prompts whose every token is asked for what follows it. */
const COMPARED = 2;
/** Texts that are decoded at once, and how often. */
const TEXTS = 4;
const TURNS = 5;

/** Sizes of the matrices that the memory's rate is measured with: too large for any cache. */
const [ROWS, COLUMNS] = [16_384, 2048];
const FLOAT_BYTES = 4;

/** Formats of the weights, and how many times as fast as float32 each is meant to be. */
const FORMATS: readonly { name: string; options: GemmaLoadOptions; aim: number }[] = [
  { name: "bfloat16", options: { dtype: "bfloat16" }, aim: 1.6 },
  { name: "int8", options: { weights: "int8" }, aim: 2.5 },
];

const aimed = ({ median }: Estimate, aim: number) =>
  `at least ${aim} wanted, ${median >= aim ? "met" : "missed"}`;

const perToken = ({ median, low, high }: Estimate): Estimate => ({
  median: median / STEPS,
  low: low / STEPS,
  high: high / STEPS,
});

const rate = (step: Estimate) => `${(1 / step.median).toFixed(1)} tokens/s`;

/** Decoding beside products of matrices and a vector, which do nothing but read as many weights. */
async function boundRow(model: Decoding): Promise<Row> {
  const rows = Math.round(stepWeights() / COLUMNS);
  const heights = Array.from({ length: Math.ceil(rows / ROWS) }, (_, i) =>
    Math.min(ROWS, rows - i * ROWS),
  );
  const matrices = heights.map((height) => ones([height, COLUMNS]));
  using vector = ones([COLUMNS]);
  const read: Timed = () =>
    seconds(async () => {
      for (let step = 0; step < STEPS; step++) {
        for (const matrix of matrices) (await ops.job.mv(matrix, vector)).dispose();
      }
    });
  try {
    const { ours, theirs, ratio } = await pairs(model.decode, read, ROUNDS);
    const bytes = FLOAT_BYTES * stepWeights();
    const bound = `${(bytes / perToken(theirs).median / 1e9).toFixed(1)} GB/s`;
    return {
      name: "decode, float32: a token",
      seconds: perToken(ours),
      ratio,
      peer: `rate of mv, ${bound}`,
      note: `${rate(perToken(ours))}; ${aimed(ratio, 0.9)}`,
    };
  } finally {
    for (const matrix of matrices) matrix.dispose();
  }
}

/** Logits of what follows each token of some prompts: [tokens, V]. */
async function logitsOf({ module }: Decoding): Promise<Tensor> {
  using input_ids = drawPrompts(COMPARED);
  const { logits } = await module.call("forward", { input_ids });
  using whole = logits;
  return ops.flatten(whole, 0, 1);
}

/** How often the likeliest token is the same, and how far logits are from the `expected` ones. */
function agreement(logits: Tensor, expected: Tensor): string {
  return tidy(() => {
    const likeliest = (of: Tensor) => ops.argmax(of, 1);
    const same = ops.eq(likeliest(logits), likeliest(expected)).as("bool");
    const gap = Math.sqrt(Number(ops.mse_loss(logits, expected).item()));
    const share = gap / Number(ops.std(expected).item());
    const hits = (100 * Number(ops.sum(same).item())) / same.shape[0]!;
    return (
      `same likeliest token at ${hits.toFixed(1)} % of ${same.shape[0]} places, ` +
      `logits off by ${(100 * share).toFixed(2)} % of their deviation`
    );
  });
}

/** Weights of fewer bytes beside the same in float32. */
async function* formatRows(folder: string, float32: Decoding): AsyncIterable<Row> {
  using expected = await logitsOf(float32);
  for (const { name, options, aim } of FORMATS) {
    await using model = await Decoding.load(folder, options);
    using logits = await logitsOf(model);
    const { ours, ratio } = await pairs(model.decode, float32.decode, ROUNDS);
    yield {
      name: `decode, ${name}: a token`,
      seconds: perToken(ours),
      ratio,
      peer: "rate of float32",
      note: `${rate(perToken(ours))}; ${aimed(ratio, aim)}; ${agreement(logits, expected)}`,
    };
  }
}

async function prefillRow(model: Decoding): Promise<Row> {
  const flops = [prefillFlops(), MM_FLOPS] as const;
  const measured = await triplets(model.prefill, squareProduct(), flops, ROUNDS);
  return {
    name: `prefill of ${PROMPT} tokens, float32`,
    seconds: measured.seconds,
    ratio: measured.share,
    peer: "rate of the adjacent mm",
    note: `${measured.kept} triplets`,
  };
}

/** Seconds from the call to each token of a text. */
async function arrivals({ module }: Decoding, tokens: number): Promise<number[]> {
  using input_ids = drawPrompts();
  const begin = performance.now();
  const times: number[] = [];
  for await (using _ of module.call("generate", { input_ids }, { args: exactly(tokens) })) {
    times.push((performance.now() - begin) / 1000);
  }
  return times;
}

/** The first token of a text, and the waiting for the others where texts share the machine. */
async function* waitingRows(model: Decoding): AsyncIterable<Row> {
  const firsts: number[] = [];
  for (let i = 0; i < ROUNDS; i++) firsts.push((await arrivals(model, 1))[0]!);
  yield { name: "time to first token, float32", seconds: estimate(firsts) };

  const quantiles = new Map<number, number[]>([
    [50, []],
    [99, []],
  ]);
  for (let turn = 0; turn < TURNS; turn++) {
    const texts = Array.from({ length: TEXTS }, () => arrivals(model, STEPS));
    const gaps = (await Promise.all(texts))
      .flatMap((times) => times.slice(1).map((time, i) => time - times[i]!))
      .sort((a, b) => a - b);
    for (const [percent, values] of quantiles) {
      values.push(gaps[Math.ceil((percent / 100) * gaps.length) - 1]!);
    }
  }
  for (const [percent, values] of quantiles) {
    yield { name: `gap in ${TEXTS} texts at once, p${percent}`, seconds: estimate(values) };
  }
}

/** A language model beside the bounds of the machine, and in weights of fewer bytes. */
export const decode: Benchmark = {
  name: "decode",
  async *run() {
    const folder = mkdtempSync(join(tmpdir(), "torchsight-bench-"));
    try {
      await writeDecoder(folder);
      await using model = await Decoding.load(folder);
      yield await boundRow(model);
      yield* formatRows(folder, model);
      yield await prefillRow(model);
      yield* waitingRows(model);
    } finally {
      native().emptyCache();
      rmSync(folder, { recursive: true, force: true });
    }
  },
};
