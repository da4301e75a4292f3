import { join } from "node:path";
import { CLAIMING, tryClaims, type Verdict } from "../claims/index.js";
import { found, verdictWord, wanted } from "../claims/report.js";
import { native } from "../core/runtime.js";
import { usage, wholeNumber } from "./arguments.js";
import { defineCommand } from "./command.js";

const HOLDS = 0;
const FAILS = 1;
const INCONCLUSIVE = 3;
/** Of the bar: claims' work is told as a share. */
const PARTS = 1000;

export default defineCommand({
  name: "claims",
  description: "Tries the headline claims of a paper at laptop scale",
  args: {
    system: { type: "positional", description: `Whose: ${CLAIMING.join(", ")}` },
    quick: { type: "boolean", description: "Short versions, which show less and say what" },
    only: { type: "string", valueHint: "ID", description: "The claims to try; all by default" },
    out: {
      type: "string",
      valueHint: "DIR",
      description: "A folder for protocol.json, report.md, plot.png and plot.svg",
    },
  },
  many: ["only"],
  async run({ args, lists: { only = [] }, output, signal }) {
    const { system, quick = false, out } = args;
    if (!CLAIMING.includes(system)) {
      throw usage(`expected one of ${CLAIMING.join(", ")} but received ${system}`);
    }
    const threads = wholeNumber("threads", args.threads, { least: 1 });
    if (threads !== undefined) native().setThreads(threads);
    const bar = output.progress(system);
    try {
      const result = await tryClaims(system, {
        quick,
        only: only.length > 0 ? only : undefined,
        out,
        signal,
        onProgress: (done, doing) => bar.update(Math.round(done * PARTS), PARTS, doing),
      });
      const { claims } = result;
      const where = out === undefined ? [] : [`${join(out, "report.md")} tells more`];
      output.result(result, [...claims.map(line), ...where].join("\n"));
      return exitCode(claims);
    } finally {
      bar.stop();
    }
  },
});

function exitCode(claims: readonly Verdict[]): number {
  if (claims.some(({ holds }) => holds === false)) return FAILS;
  return claims.every(({ holds }) => holds === true) ? HOLDS : INCONCLUSIVE;
}

function line(verdict: Verdict): string {
  const { id, statement, metric, seconds, quickShows } = verdict;
  return [
    `${id}: ${verdictWord(verdict)} (${seconds.toFixed(0)} s)`,
    `  ${statement}`,
    `  ${metric}: ${found(verdict)}, wanted ${wanted(verdict)}`,
    ...(quickShows === undefined ? [] : [`  this quick version shows ${quickShows}`]),
  ].join("\n");
}
