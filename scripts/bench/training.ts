/** A training step beside the same step of PyTorch, from the same weights on the same batch. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pairs, seconds } from "../../dist/bench/measure.js";
import type { Benchmark } from "../../dist/bench/report.js";
import { drawBatch, SMALL, TRAIN_BATCH, TRAIN_OPTIONS } from "../../dist/bench/train.js";
import { createModule, Trainer, writeTensors } from "../../dist/index.js";
import { compared, Peer } from "./peer.js";
import { peersFolder, peersPython, scriptOf } from "./setup.js";

/** A step takes seconds. */
const PAIRS = 7;

export const trainEager: Benchmark = {
  name: "train-eager",
  async *run() {
    const folder = mkdtempSync(join(tmpdir(), "torchsight-train-"));
    try {
      await using model = await createModule(SMALL, { seed: 1 });
      await model.save(folder);
      const inputs = join(folder, "inputs.safetensors");
      const batch = drawBatch(SMALL, TRAIN_BATCH);
      await writeTensors(inputs, batch);
      using trainer = new Trainer(model, TRAIN_OPTIONS);
      const script = scriptOf("train_eager.py");
      await using peer = await Peer.start(peersPython(), [script, folder, inputs], peersFolder);
      let loss = 0;
      const step = () => {
        // A step disposes of its batch.
        const { pixel_values, labels } = batch;
        const again = { pixel_values: pixel_values.clone(), labels: labels.clone() };
        return seconds(async () => {
          loss = (await trainer.step(again)).loss;
        });
      };
      const { ours, ratio } = await pairs(step, peer.run, PAIRS);
      const theirs = Number(await peer.ask("loss"));
      const row = compared(
        `training step of a ViT-S, batch ${TRAIN_BATCH}`,
        "PyTorch eager",
        ours,
        ratio,
      );
      yield {
        ...row,
        note: `loss after as many steps ${loss.toFixed(3)} and ${theirs.toFixed(3)}`,
      };
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
};
