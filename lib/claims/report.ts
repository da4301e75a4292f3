/** What came of claims, in Markdown. */
import { describeMachine } from "../bench/report.js";
import type { Verdict } from "./claim.js";
import type { ClaimsResult } from "./run.js";

/** The report of a run, with the figure `plot.png` beside it. */
export function report({ system, quick, claims, seconds }: ClaimsResult): string {
  const { date, node, libtorch, cpu, cores, threads } = describeMachine();
  return [
    `# Claims of ${system}${quick ? ", quick versions" : ""}`,
    `${date}, ${cpu}, ${cores} cores, ${threads} threads, libtorch ${libtorch}, Node.js ${node}; ` +
      `${seconds.toFixed(0)} s. What is measured was written to protocol.json before it was.`,
    ["| claim | metric | wanted | found | holds |", "| --- | --- | --- | --- | --- |"]
      .concat(claims.map(row))
      .join("\n"),
    ...claims.map(section),
    "![Curves](plot.png)",
    "",
  ].join("\n\n");
}

/** Whether a claim holds, in a word. */
export function verdictWord({ holds }: Pick<Verdict, "holds">): string {
  return holds === "inconclusive" ? holds : holds ? "holds" : "fails";
}

/** `at least 0.5`. */
export function wanted({ threshold }: Pick<Verdict, "threshold">): string {
  if ("most" in threshold) return `at most ${short(threshold.most)}`;
  if ("least" in threshold) return `at least ${short(threshold.least)}`;
  return `above ${short(threshold.above)}`;
}

/** A mean and its interval. */
export function found({ interval: { mean, low, high } }: Pick<Verdict, "interval">): string {
  return Number.isFinite(low) ? `${short(mean)} [${short(low)}, ${short(high)}]` : short(mean);
}

function row(verdict: Verdict): string {
  const { id, metric } = verdict;
  const cells = [id, metric, wanted(verdict), found(verdict), verdictWord(verdict)];
  return `| ${cells.join(" | ")} |`;
}

function section(verdict: Verdict): string {
  const { id, statement, source, evidence, settings, seeds, values, notes, seconds } = verdict;
  const { quickShows } = verdict;
  return [
    `## ${id}: ${verdictWord(verdict)}`,
    `${statement} (${source}). ${evidence}; ${seconds.toFixed(0)} s.`,
    `Seeds ${seeds.join(", ")}: ${values.map(short).join(", ")}.`,
    `Settings: \`${JSON.stringify(settings)}\``,
    ...(quickShows === undefined ? [] : [`This quick version shows ${quickShows}.`]),
    notes.map((note) => `- ${note}`).join("\n"),
  ].join("\n\n");
}

function short(value: number): string {
  return String(Number(value.toPrecision(3)));
}
