import { execFileSync } from "node:child_process";
import { readdirSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { zeros } from "../core/create.js";
import { createModule } from "../core/load.js";
import { nativeFiles } from "../native/paths.js";
import { estimate, seconds, type Timed } from "./measure.js";
import type { Benchmark } from "./report.js";

const LIBRARY = new URL("../index.js", import.meta.url);

/** Seconds from starting Node to the first result of a tiny model. */
const coldStart: Timed = () =>
  seconds(() =>
    execFileSync(process.execPath, [
      "--input-type=module",
      "--eval",
      `import { ViT22B, zeros } from ${JSON.stringify(LIBRARY.href)};
       const model = await ViT22B.random("mu", { seed: 1 });
       await model.encode(zeros([1, 3, 224, 224]));`,
    ]),
  );

function folderBytes(folder: string): number {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, entry) => sum + statSync(join(entry.parentPath, entry.name)).size, 0);
}

async function repeat(timed: Timed, times: number) {
  await timed();
  const values = [];
  for (let i = 0; i < times; i++) values.push(await timed());
  return estimate(values);
}

/** Starting up, the size of what is installed, and the way to an isolated module and back. */
export const start: Benchmark = {
  name: "start",
  async *run() {
    yield { name: "cold start to first result", seconds: await repeat(coldStart, 5) };

    const built = dirname(nativeFiles().addon);
    const code = folderBytes(fileURLToPath(new URL("..", import.meta.url)));
    const size = (bytes: number) => `${(bytes / 1e6).toFixed(1)} MB`;
    yield {
      name: "size on disk",
      note: `${size(code)} of JavaScript and types, ${size(folderBytes(built))} native`,
    };

    await using module = await createModule(
      { model_type: "torchsight_diagnostics" },
      { isolate: true },
    );
    const megabyte = zeros([1 << 18]);
    const roundTrip: Timed = () =>
      seconds(async () => {
        using _ = await module.call("echo", { x: megabyte });
      });
    yield { name: "isolated round trip of 1 MB", seconds: await repeat(roundTrip, 101) };
  },
};
