import {
  closeSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  statSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createModule, load as loadModule } from "../core/load.js";
import { native } from "../core/runtime.js";
import { pairs, seconds } from "./measure.js";
import type { Benchmark } from "./report.js";

/** A gigabyte of float32 weights. */
const CONFIG = {
  model_type: "vit22b",
  hidden_size: 1536,
  num_hidden_layers: 9,
  num_attention_heads: 12,
  intermediate_size: 6144,
  pooling: "mean",
} as const;

function readThrough(file: string, buffer: Buffer): void {
  const descriptor = openSync(file, "r");
  while (readSync(descriptor, buffer, 0, buffer.length, null) > 0);
  closeSync(descriptor);
}

/** Loading into final layout beside reading the file, and the memory that loading peaks at. */
export const load: Benchmark = {
  name: "load",
  async *run() {
    const folder = mkdtempSync(join(tmpdir(), "torchsight-bench-"));
    try {
      {
        await using model = await createModule(CONFIG);
        await model.save(folder);
      }
      const file = join(folder, "model.safetensors");
      const bytes = statSync(file).size;
      const buffer = Buffer.alloc(8 << 20);
      const peaks: number[] = [];
      const loading = () =>
        seconds(async () => {
          const job = loadModule(folder);
          await using _ = await job;
          peaks.push((job.stats?.peakBytes ?? 0) / bytes);
        });
      const ways = {
        "reading the file into memory": () => readFileSync(file),
        "reading it through one buffer of 8 MB": () => readThrough(file, buffer),
      };
      for (const [peer, read] of Object.entries(ways)) {
        const { ours, ratio } = await pairs(loading, () => seconds(read), 15);
        yield {
          name: `load of ${(bytes / 1e9).toFixed(2)} GB`,
          seconds: ours,
          ratio,
          peer: `faster than ${peer}`,
          note: `peak ${Math.max(...peaks).toFixed(3)} of the weights`,
        };
      }
    } finally {
      native().emptyCache();
      rmSync(folder, { recursive: true, force: true });
    }
  },
};
