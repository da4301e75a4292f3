/**
 * `npm run bench [-- NAME…]`: what `torchsight bench` measures, and the peers. Needs pip and npm
 * for the peers the first time; `--no-peers` leaves them out.
 */
import { benchmarks } from "../../dist/bench/index.js";
import { describeMachine, describeRow } from "../../dist/bench/report.js";
import { peers } from "./peers.js";

const names = process.argv.slice(2).filter((argument) => !argument.startsWith("--"));
const all = process.argv.includes("--no-peers") ? benchmarks : [...benchmarks, ...peers];

console.log(JSON.stringify(describeMachine()));
for (const benchmark of all) {
  if (names.length > 0 && !names.includes(benchmark.name)) continue;
  for await (const row of benchmark.run()) console.log(describeRow(row));
}
