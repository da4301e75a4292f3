/** Tries the claims of a system, and writes down what was settled before and what came of it. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Chart, writeFigure } from "../chart/index.js";
import { checkOneOf } from "../core/checks.js";
import { TorchsightError } from "../core/errors.js";
import { type Claim, judge, type Verdict } from "./claim.js";
import { report } from "./report.js";
import { VIT22B_CLAIMS } from "./vit22b/index.js";

/** The claims of each system, in the order in which they are tried. */
const CLAIMS: Readonly<Record<string, readonly Claim[]>> = { vit22b: VIT22B_CLAIMS };

/** How claims are tried. */
export interface ClaimsOptions {
  /** Short versions, which show less and say so. Default false. */
  quick?: boolean | undefined;
  /** Ids of the claims to try. Default: all. */
  only?: readonly string[] | undefined;
  /** A folder for `protocol.json`, `report.md`, `plot.png` and `plot.svg`. */
  out?: string | undefined;
  signal?: AbortSignal | undefined;
  /** Tells which share of the claims' work is done, and what is being done. */
  onProgress?: ((done: number, doing: string) => void) | undefined;
}

/** What came of a system's claims. */
export interface ClaimsResult {
  system: string;
  quick: boolean;
  claims: Verdict[];
  seconds: number;
}

/** Systems that have claims. */
export const CLAIMING = Object.keys(CLAIMS);

/**
 * Tries the claims of `system`, one after the other. What is measured, on what, how often and
 * against which threshold is written to `protocol.json` before the first one begins.
 *
 * @throws `BAD_INPUT` for a system without claims and ids of none, `CANCELLED`
 */
export async function tryClaims(
  system: string,
  { quick = false, only, out, signal, onProgress }: ClaimsOptions = {},
): Promise<ClaimsResult> {
  checkOneOf("the system", system, CLAIMING);
  const claims = chosen(CLAIMS[system]!, only);
  const settings = claims.map((claim) => ({ ...claim.settings, ...(quick ? claim.quick : {}) }));
  if (out !== undefined) {
    const protocol = claims.map((claim, at) => {
      const { experiment, quick: _, quickShows, quickDecides, ...rest } = claim;
      return { ...rest, settings: settings[at], ...(quick ? { quickShows, quickDecides } : {}) };
    });
    await mkdir(out, { recursive: true });
    await writeFile(join(out, "protocol.json"), `${JSON.stringify(protocol, null, 2)}\n`);
  }
  const began = performance.now();
  const verdicts: Verdict[] = [];
  const charts: Chart[] = [];
  for (const [at, claim] of claims.entries()) {
    const start = performance.now();
    const { experiment, quick: _, quickShows, quickDecides, ...protocol } = claim;
    const evidence = await claim.experiment(settings[at]!, {
      signal: signal ?? new AbortController().signal,
      onProgress: (done, doing) => onProgress?.((at + done) / claims.length, doing),
    });
    charts.push(...evidence.charts);
    verdicts.push({
      ...protocol,
      settings: settings[at]!,
      seeds: settings[at]!.seeds,
      values: evidence.values,
      ...judge(evidence.values, claim.threshold),
      ...(quick && !quickDecides ? { holds: "inconclusive" as const } : {}),
      notes: evidence.notes,
      ...(quick ? { quickShows } : {}),
      seconds: (performance.now() - start) / 1000,
    });
  }
  const seconds = (performance.now() - began) / 1000;
  const result = { system, quick, claims: verdicts, seconds };
  if (out !== undefined) {
    if (charts.length > 0) await writeFigure({ charts, columns: 2 }, join(out, "plot"));
    await writeFile(join(out, "report.md"), report(result));
  }
  return result;
}

function chosen(claims: readonly Claim[], only: readonly string[] | undefined): readonly Claim[] {
  if (only === undefined) return claims;
  const ids = claims.map(({ id }) => id);
  const unknown = only.find((id) => !ids.includes(id));
  if (unknown !== undefined) {
    throw new TorchsightError(
      "BAD_INPUT",
      `expected ids among ${ids.join(", ")} but received ${unknown}`,
    );
  }
  return claims.filter(({ id }) => only.includes(id));
}
