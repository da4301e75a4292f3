/** The detectors, from a picture's file to boxes, beside other programs on the same weights. */
import { readFileSync, renameSync } from "node:fs";
import { join } from "node:path";
import sharp from "sharp";
import { pairs } from "../../dist/bench/measure.js";
import type { Benchmark, Row } from "../../dist/bench/report.js";
import { manualSeed, OwlViT, randn, readTensors, writeTensors } from "../../dist/index.js";
import { writeClipFiles } from "../../test/text/clip_files.js";
import { agreement, type Found } from "./agreement.js";
import { compared, PAIRS, Peer, PeerFailure } from "./peer.js";
import { made, packageFolder, peersFolder, peersPython, root, run, scriptOf } from "./setup.js";

const SIDE = 512;
const THREADS = 2;
const SEED = 1;
/** Standard deviation of the weights that boxes come from; they are zero before training. */
const SPREAD = 0.05;
/** Only some dozens of boxes of a model with drawn weights have a score above it. */
const THRESHOLD = 0.2;

const NAMES = "cat whisker nose ear eye paw tail blanket window chair bowl hand".split(" ");
/** Lists of three queries. We keep embeddings of the last lists, but of fewer than these. */
const QUERIES = NAMES.map((_, i) =>
  [0, 1, 2].map((next) => `a photo of a ${NAMES[(i + next) % NAMES.length]}`),
);

const MODELS = {
  owlvit: { variant: "owlvit-base-patch32", title: "OWL-ViT B/32, file to boxes" },
  owlv2: { variant: "owlv2-base-patch16", title: "OWLv2 B/16, file to boxes" },
} as const;

type Model = (typeof MODELS)[keyof typeof MODELS];

/** A folder with the model as published ones are, its weights drawn. */
function checkpoint({ variant }: Model): Promise<string> {
  return made(variant, { variant, seed: SEED, spread: SPREAD }, async (folder) => {
    const weights = join(folder, "model.safetensors");
    {
      await using model = await OwlViT.random(variant, { seed: SEED });
      await model.save(folder);
    }
    using drawn = await readTensors(weights);
    const last = "box_head.dense2.weight";
    manualSeed(SEED);
    using spread = randn(drawn[last]!.shape).mul(SPREAD);
    const changed = join(folder, "changed.safetensors");
    await writeTensors(changed, { ...drawn, [last]: spread }, { metadata: { format: "pt" } });
    renameSync(changed, weights);
    writeClipFiles(folder, { layout: "tokenizer.json", settings: "plain" });
  });
}

/** The model as `onnx/model.onnx` in its folder, where transformers.js looks for it. */
async function exported(model: Model, folder: string): Promise<void> {
  const script = scriptOf("owlvit_export.py");
  await made(join(model.variant, "onnx"), { script: readFileSync(script, "utf8") }, (onnx) =>
    run(peersPython(), [script, folder, join(onnx, "model.onnx")]),
  );
}

/** A square picture of a cat. */
async function picture(): Promise<string> {
  const photo = join(root, "assets", "photos", "chelsea.jpg");
  const file = join(peersFolder, `chelsea-${SIDE}.jpg`);
  await sharp(photo).resize(SIDE, SIDE).jpeg({ quality: 90 }).toFile(file);
  return file;
}

/** How one program is started; `args` are those that all of them take. */
type Start = (args: string[], model: Model) => Promise<Peer>;

const python =
  (...options: string[]): Start =>
  (args) =>
    Peer.start(
      peersPython(),
      [scriptOf("owlvit_transformers.py"), ...args, ...options],
      peersFolder,
    );

const node = (script: string, args: string[], cwd = peersFolder) =>
  Peer.start(process.execPath, [scriptOf(script), ...args], cwd);

const onnxruntime: Start = async (args, model) => {
  await exported(model, args[0]!);
  return node("owlvit_onnxruntime.mjs", args, packageFolder("onnxruntime-node"));
};

const transformersJs: Start = async (args, model) => {
  await exported(model, args[0]!);
  return node("owlvit_transformersjs.mjs", args, packageFolder("@huggingface/transformers"));
};

/** What is compared with. */
interface Program {
  title: string;
  start: Start;
  /** Whether it is skipped where it cannot start. */
  optional?: boolean;
}

const PROGRAMS: Record<string, Program> = {
  transformers: { title: "transformers eager", start: python() },
  // Needs a C++ compiler.
  compiled: { title: "transformers compiled", start: python("--compile"), optional: true },
  onnxruntime: { title: "onnxruntime-node in our place", start: onnxruntime },
  transformersjs: { title: "transformers.js", start: transformersJs },
};

/** Both in processes of their own, on as many threads, run in turn. */
async function* compare(model: Model, program: Program): AsyncIterable<Row> {
  const { title, start, optional = false } = program;
  const folder = await checkpoint(model);
  const options = ["--threshold", `${THRESHOLD}`, "--threads", `${THREADS}`];
  const args = [folder, await picture(), JSON.stringify(QUERIES), ...options];
  const started = await start(args, model).catch((error: unknown) => {
    if (optional && error instanceof PeerFailure) return error;
    throw error;
  });
  if (started instanceof PeerFailure) {
    yield { name: model.title, note: `${title}: skipped, ${started.message}` };
    return;
  }
  await using theirs = started;
  await using ours = await node("owlvit_torchsight.mjs", args);
  const found = async (peer: Peer) => JSON.parse(await peer.ask("detect")) as Found;
  const note = agreement(await found(ours), await found(theirs), THRESHOLD);
  const { ours: seconds, ratio } = await pairs(ours.run, theirs.run, PAIRS);
  yield { ...compared(model.title, title, seconds, ratio), note };
  const memory = `${await memoryOf(ours)}; ${title}: ${await memoryOf(theirs)}`;
  yield { name: "peak memory above the weights", note: memory };
}

/** What a detection takes at its peak, and what loading took where that was more. */
async function memoryOf(peer: Peer): Promise<string> {
  const { detecting, loading } = JSON.parse(await peer.ask("memory"));
  if (detecting === null) return "not told by this system";
  const megabytes = (bytes: number) => `${Math.round(bytes / 1e6)} MB`;
  const more = loading > detecting ? `, ${megabytes(loading)} while loading` : "";
  return `${megabytes(detecting)}${more}`;
}

/** Each model beside each program. */
export const detectorPeers: readonly Benchmark[] = Object.entries(MODELS).flatMap(([name, model]) =>
  Object.entries(PROGRAMS).map(([peer, program]) => ({
    name: `${name}-${peer}`,
    run: () => compare(model, program),
  })),
);
