// What the detectors on Node.js share as peers of `npm run bench`: how they are called and answer.
//
//     node scripts/peers/owlvit_….mjs FOLDER PICTURE QUERIES [--threshold 0.1] [--threads 2]
//
// QUERIES is a JSON list of lists of texts, which are asked in turn, so that no detection can use
// what an earlier one made of its texts. Prints "ready", then answers each line on stdin: `run`
// with the seconds of one detection, from the picture's file to boxes in its pixels; `detect` with
// what is found by the first texts at any score, {"boxes": [[x0, y0, x1, y1]], "scores", "labels"};
// `memory` with the bytes of resident memory at its peak beyond those of the weights, {"loading",
// "detecting"}, null where the system does not tell.
import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";

/**
 * Runs a peer. `load` gets `{folder, picture, threads}` and gives `{detect, everything}`: from
 * texts and a threshold to detections, which is timed, and from texts to the answer to `detect`.
 */
export async function serve(load) {
  const { positionals, values } = parseArgs({
    allowPositionals: true,
    options: {
      threshold: { type: "string", default: "0.1" },
      threads: { type: "string", default: "2" },
    },
  });
  const [folder, picture, queries] = positionals;
  const lists = JSON.parse(queries);
  const threshold = Number(values.threshold);
  const { detect, everything } = await load({ folder, picture, threads: Number(values.threads) });
  const loading = peak();
  resetPeak();
  let asked = 0;
  const next = () => detect(lists[asked++ % lists.length], threshold);
  await next();
  console.log("ready");
  for await (const line of createInterface({ input: process.stdin })) {
    if (line === "run") {
      const start = performance.now();
      await next();
      console.log((performance.now() - start) / 1000);
    } else if (line === "detect") {
      console.log(JSON.stringify(await everything(lists[0])));
    } else {
      const weights = statSync(join(folder, "model.safetensors")).size;
      const above = (bytes) => (bytes === undefined ? null : bytes - weights);
      console.log(JSON.stringify({ loading: above(loading), detecting: above(peak()) }));
    }
  }
}

/** The most resident memory since `resetPeak`, in bytes. */
function peak() {
  const status = "/proc/self/status";
  const line = existsSync(status) && readFileSync(status, "utf8").match(/^VmHWM:\s+(\d+) kB$/m);
  return line ? Number(line[1]) * 1024 : undefined;
}

function resetPeak() {
  const file = "/proc/self/clear_refs";
  if (existsSync(file)) writeFileSync(file, "5");
}
