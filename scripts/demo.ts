/**
 * `npm run demo`: a ViT-22B-style model of about 100 million parameters encodes a photograph, in
 * one process and split over two, and a third run is cancelled half-way; a small trained one tells
 * what is in a scene, and where.
 */
import { mkdirSync, readFileSync } from "node:fs";
import { relative } from "node:path";
import { performance } from "node:perf_hooks";
import { fileURLToPath } from "node:url";
import cliProgress from "cli-progress";
import { TorchsightError } from "../lib/core/errors.js";
import type { Job } from "../lib/core/job.js";
import type { CallResult } from "../lib/core/module.js";
import {
  type EncodeOutputs,
  gridOf,
  imageSides,
  params,
  ViT22B,
  variant,
} from "../lib/models/vit22b/index.js";
import { drawTokens } from "./demo/picture.js";
import { classifyScene } from "./demo/scene.js";

const PHOTO = fileURLToPath(new URL("../assets/photos/chelsea.jpg", import.meta.url));
const FOLDER = fileURLToPath(new URL("../build/demo/", import.meta.url));
const SEED = 22;
const LAYERS = 13;
/** The stream before the final norm, which would give every token the same length. */
const LAST_LAYER = `blocks.${LAYERS - 1}`;

const seconds = (milliseconds: number) => `${(milliseconds / 1000).toFixed(2)} s`;
const megabytes = (bytes: number) => `${Math.round(bytes / 1e6)} MB`;
const say = (line = "") => process.stdout.write(`${line}\n`);

/** Waits for a job under a bar on stderr that shows its progress. */
async function watched<T>(label: string, job: Job<T>): Promise<{ value: T; took: number }> {
  const bar = new cliProgress.SingleBar({
    stream: process.stderr,
    format: `  ${label.padEnd(30)} {bar} {percentage} %`,
    hideCursor: true,
    noTTYOutput: true,
    notTTYSchedule: 1000,
  });
  const started = performance.now();
  let total = 0;
  job.onProgress((progress) => {
    if (total === 0) bar.start(progress.total, 0);
    else if (total !== progress.total) bar.setTotal(progress.total);
    total = progress.total;
    bar.update(progress.done);
  });
  try {
    const value = await job;
    if (total > 0) bar.update(total);
    return { value, took: performance.now() - started };
  } finally {
    if (total > 0) bar.stop();
  }
}

/** Encodes the photograph, and once more for the clock: the first call chooses kernels. */
async function encodeTwice(
  label: string,
  model: ViT22B,
): Promise<{ value: CallResult<EncodeOutputs>; took: number }> {
  const taps = [LAST_LAYER];
  (await watched(`${label}, first`, model.encode(PHOTO))).value[Symbol.dispose]();
  return await watched(`${label}, second`, model.encode(PHOTO, { taps }));
}

/** Resident memory of this process, or of another where the system tells. */
function resident(pid?: number): number | undefined {
  if (pid === undefined) return process.memoryUsage.rss();
  try {
    const kilobytes = /^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
    return kilobytes === undefined ? undefined : Number(kilobytes) * 1024;
  } catch {
    return undefined;
  }
}

async function largestDifference(
  a: CallResult<EncodeOutputs>,
  b: CallResult<EncodeOutputs>,
): Promise<number> {
  using difference = a.last_hidden_state.sub(b.last_hidden_state).abs().max();
  return difference.item() as number;
}

/** Starts a run and cancels it once half of its layers are done. */
async function cancelHalfWay(model: ViT22B): Promise<string> {
  const job = model.encode(PHOTO);
  let asked = 0;
  let at = "";
  job.onProgress(({ done, total }) => {
    if (asked > 0 || done < total / 2) return;
    asked = performance.now();
    at = `${done} of ${total}`;
    job.cancel("half is enough");
  });
  try {
    using _ = await job;
    return "finished before it could be cancelled";
  } catch (error) {
    if (!(error instanceof TorchsightError) || error.code !== "CANCELLED") throw error;
    const took = (performance.now() - asked).toFixed(0);
    return `${error.code} after layer ${at}, ${took} ms after it was asked`;
  }
}

async function main(): Promise<void> {
  const config = variant("B", { num_hidden_layers: LAYERS });
  const [rows, columns] = gridOf(config);
  const { total } = params(config);
  say(`A ViT-22B-style model of ${(total / 1e6).toFixed(1)} million parameters, seed ${SEED}.`);
  say("Its weights are random: the features below mean nothing. What counts is that they agree.");
  say();

  const before = resident() ?? 0;
  const made = await watched("making the model", ViT22B.random(config, { seed: SEED }));
  await using whole = made.value;
  const one = await encodeTwice("encoding, 1 process", whole);
  using features = one.value;
  const used = (resident() ?? 0) - before;

  const split = await watched(
    "making 2 ranks",
    ViT22B.random(config, { seed: SEED, tensorParallel: 2 }),
  );
  await using sharded = split.value;
  const two = await encodeTwice("encoding, 2 processes", sharded);
  using sameFeatures = two.value;
  const ranks = sharded.module.pids.map((pid) => resident(pid));

  say(`  photograph         ${relative(process.cwd(), PHOTO)}`);
  say(`  tokens             ${rows} x ${columns}, ${config.hidden_size} numbers each`);
  say(`  weights            ${megabytes(4 * total)} in float32`);
  say(`  1 process          ${seconds(one.took)}, ${megabytes(used)} more memory than before`);
  const memory = ranks.map((bytes) => (bytes === undefined ? "unknown" : megabytes(bytes)));
  say(`  2 processes        ${seconds(two.took)}, ${memory.join(" and ")} in the workers`);
  const difference = await largestDifference(features, sameFeatures);
  say(`  largest difference ${difference.toExponential(2)}`);
  say(`  a third run        ${await cancelHalfWay(whole)}`);
  say();

  const stream = features.taps[LAST_LAYER]!;
  const values = (await stream.mul(stream).sum([0, 2]).sqrt().data()) as Float32Array;
  mkdirSync(FOLDER, { recursive: true });
  const path = `${FOLDER}tokens.png`;
  const [low, high] = await drawTokens(PHOTO, imageSides(config), [rows, columns], values, path);
  say(`The photograph with its patches, and how long each token is, from ${low} to ${high}:`);
  say(path);
}

/** What the trained model sees in a scene that was never trained on. */
async function scene(): Promise<void> {
  const path = `${FOLDER}scene.png`;
  const told = await classifyScene(path);
  say();
  say("A small model of this family, trained on scenes of coloured shapes, sees in a new one:");
  for (const { label, probability, there } of told) {
    const seen = `${(100 * probability).toFixed(1)} %`;
    say(`  ${label.padEnd(18)} ${seen}${there ? "" : ", which is not there"}`);
  }
  say("The scene, and for each of these in turn where it is seen:");
  say(path);
}

await main();
await scene();
