import { benchmarks } from "../bench/index.js";
import { describeMachine, describeRow, type Row } from "../bench/report.js";
import { TorchsightError } from "../core/errors.js";
import { native } from "../core/runtime.js";
import { wholeNumber } from "./arguments.js";
import { defineCommand } from "./command.js";

export default defineCommand({
  name: "bench",
  description: `Measures this machine: ${benchmarks.map(({ name }) => name).join(", ")}`,
  args: {
    names: { type: "positional", required: false, description: "Which ones; all by default" },
  },
  many: ["names"],
  async run({ args, lists: { names = [] }, output, signal }) {
    const threads = wholeNumber("threads", args.threads, { least: 1 });
    if (threads !== undefined) native().setThreads(threads);
    const unknown = names.find((name) => benchmarks.every((entry) => entry.name !== name));
    if (unknown !== undefined) {
      throw new TorchsightError("USAGE", `there is no benchmark ${unknown}`);
    }
    const rows: Row[] = [];
    for (const benchmark of benchmarks) {
      if (names.length > 0 && !names.includes(benchmark.name)) continue;
      for await (const row of benchmark.run()) {
        signal.throwIfAborted();
        rows.push(row);
        if (!args.json) output.result(row, describeRow(row));
      }
    }
    if (args.json) output.result({ machine: describeMachine(), rows }, "");
  },
});
