import { TorchsightError } from "../core/errors.js";
import { Ranks } from "../launch/processes.js";
import { commandOf } from "../launch/program.js";
import { freePort, rankEnvironments } from "../launch/rank_environments.js";
import { usage, wholeNumber } from "./arguments.js";
import { defineCommand } from "./command.js";

const MOST_RANKS = 1024;
const PASSED_ON = ["SIGINT", "SIGTERM"] as const;
const INTERRUPTED = 130;

export default defineCommand({
  name: "launch",
  description: "Starts a program once for each rank of a group on this machine",
  args: {
    nproc: { type: "string", required: true, valueHint: "N", description: "How many ranks" },
  },
  rest: true,
  async run({ args, rest, output }) {
    const count = wholeNumber("nproc", args.nproc, { least: 1, most: MOST_RANKS }) as number;
    const [program, ...words] = rest;
    if (program === undefined) throw usage("expected a program to start but received none");
    const [command, commandArgs] = commandOf(program, words);
    const ranks = new Ranks({
      command,
      args: commandArgs,
      environments: rankEnvironments(count, await freePort()),
      form: {
        stdout: (rank, line) => (args.json ? JSON.stringify({ rank, line }) : `[${rank}] ${line}`),
        stderr: (rank, line) => `[${rank}] ${line}`,
      },
    });
    let interrupted = false;
    const passOn = (signal: NodeJS.Signals) => {
      interrupted = true;
      ranks.end(signal);
    };
    for (const signal of PASSED_ON) process.on(signal, passOn);
    try {
      await ranks.run();
    } finally {
      for (const signal of PASSED_ON) process.off(signal, passOn);
    }
    if (interrupted) return INTERRUPTED;
    const { failed } = ranks;
    if (failed) {
      const how = failed.signal ? `was ended by ${failed.signal}` : `exited with ${failed.code}`;
      output.fail(new TorchsightError("RANK_FAILED", `rank ${failed.rank} ${how}`));
      return failed.code;
    }
    if (args.json) output.result({ ranks: ranks.ends }, "");
    return 0;
  },
});
