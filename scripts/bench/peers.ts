/** Comparisons with PyTorch eager and onnxruntime-node on the same weights, pair by pair. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BATCH, encodeOnce, LARGE } from "../../dist/bench/encode.js";
import { pairs } from "../../dist/bench/measure.js";
import { addTwoByTwo } from "../../dist/bench/operators.js";
import type { Benchmark } from "../../dist/bench/report.js";
import { createModule, randn, readTensors, writeTensors } from "../../dist/index.js";
import { decoderPeers } from "./decoder.js";
import { detectorPeers } from "./detector.js";
import { compared, PAIRS, Peer } from "./peer.js";
import { packageFolder, peersFolder, peersPython, run, scriptOf } from "./setup.js";
import { trainEager } from "./training.js";

/** `add` from TypeScript beside `torch.add` from Python. */
const addPeer: Benchmark = {
  name: "add-peer",
  async *run() {
    await using python = await Peer.start(peersPython(), [scriptOf("add.py")], peersFolder);
    const { ours, ratio } = await pairs(addTwoByTwo(), python.run, PAIRS);
    yield compared("add of two 2x2 tensors, dropped", "Python", ours, ratio);
  },
};

/** Largest difference of two files' tensors of that name. */
async function difference(ours: string, theirs: string, name: string): Promise<number> {
  using mine = await readTensors(ours, { names: [name] });
  using others = await readTensors(theirs, { names: [name] });
  const [a, b] = [mine[name], others[name]];
  if (!a || !b) throw new Error(`a peer gave no ${name}`);
  using gap = a.sub(b).abs().max();
  return Number(gap.item());
}

/** What a peer is started with: the checkpoint's folder and the file of its inputs. */
type Start = (folder: string, inputs: string) => Promise<Peer>;

const eager: Start = (folder, inputs) =>
  Peer.start(peersPython(), [scriptOf("eager.py"), folder, inputs], peersFolder);

const onnxruntime: Start = (folder, inputs) => {
  const onnx = join(folder, "model.onnx");
  run(peersPython(), [scriptOf("export_onnx.py"), folder, inputs, onnx]);
  const args = [scriptOf("onnxruntime.mjs"), onnx, inputs, "2"];
  return Peer.start(process.execPath, args, packageFolder("onnxruntime-node"));
};

/** The ViT-L-sized encoder beside a peer, whose results are compared too. */
const encodePeer = (name: string, peerName: string, start: Start): Benchmark => ({
  name,
  async *run() {
    const folder = mkdtempSync(join(tmpdir(), "torchsight-peers-"));
    try {
      await using model = await createModule(LARGE, { seed: 1 });
      await model.save(folder);
      const inputs = join(folder, "inputs.safetensors");
      const results = join(folder, "ours.safetensors");
      using pixels = randn([BATCH, 3, LARGE.image_size, LARGE.image_size]);
      await writeTensors(inputs, { pixel_values: pixels });
      {
        using ours = await model.call("encode", { pixel_values: pixels });
        if (ours.pooler_output) await writeTensors(results, { pooler_output: ours.pooler_output });
      }
      await using peer = await start(folder, inputs);
      const theirs = join(folder, "theirs.safetensors");
      await peer.ask(`save ${theirs}`);
      const gap = await difference(results, theirs, "pooler_output");
      const { ours, ratio } = await pairs(encodeOnce(model), peer.run, PAIRS);
      const row = compared(`ViT-L encode, batch ${BATCH}`, peerName, ours, ratio);
      yield { ...row, note: `largest difference ${gap.toExponential(1)}` };
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
});

/** All comparisons with other programs. */
export const peers: readonly Benchmark[] = [
  addPeer,
  encodePeer("encode-eager", "PyTorch eager", eager),
  encodePeer("encode-onnxruntime", "onnxruntime-node", onnxruntime),
  trainEager,
  ...decoderPeers,
  ...detectorPeers,
];
