/**
 * `npm run promises`: measures what the runtime promises, and `npm run soak` with the full counts.
 *
 *     npm run promises -- [NAME…] [--soak] [--json] [--list]
 *
 * The last line on stdout counts what held. Each promise is measured in a process of its own, so
 * that a crash breaks one promise only: a process that does not end by itself, with code 0, is one.
 */
import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { root } from "../shared.mjs";
import { promises } from "./all.js";
import type { Outcome, RuntimePromise } from "./promise.js";

const say = (line: string) => process.stdout.write(`${line}\n`);

/** Measures a promise in a process of its own. */
function measure(promise: RuntimePromise, soak: boolean): Promise<Outcome> {
  const minutes = promise.minutes[soak ? "soak" : "short"];
  const child = fork(
    fileURLToPath(new URL("measure.ts", import.meta.url)),
    [promise.name, ...(soak ? ["--soak"] : [])],
    {
      cwd: root,
      execArgv: ["--expose-gc", "--import", "tsx"],
      stdio: ["ignore", 2, 2, "ipc"],
      timeout: minutes * 60_000,
      killSignal: "SIGKILL",
    },
  );
  let outcome: Outcome = { holds: false, figure: "the measurement failed" };
  child.on("message", (message) => {
    outcome = message as Outcome;
  });
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) => {
      if (code === 0) resolve(outcome);
      const end = signal ? `ended by ${signal}` : `ended with code ${code}`;
      resolve({ holds: false, figure: `${outcome.figure}; the process ${end}` });
    });
  });
}

function choose(names: readonly string[]): readonly RuntimePromise[] {
  const known = promises.map(({ name }) => name);
  const unknown = names.find((name) => !known.includes(name));
  if (unknown !== undefined) {
    throw new RangeError(`expected one of ${known.join(", ")} for NAME but received ${unknown}`);
  }
  return names.length === 0 ? promises : promises.filter(({ name }) => names.includes(name));
}

const WORDS = { true: "holds", false: "BROKEN", skipped: "skipped" } as const;

interface Options {
  soak: boolean;
  json: boolean;
}

async function measureAll(
  chosen: readonly RuntimePromise[],
  { soak, json }: Options,
): Promise<void> {
  const counts = { true: 0, false: 0, skipped: 0 };
  for (const promise of chosen) {
    const { name, statement, limit } = promise;
    const began = performance.now();
    const { holds, figure } = await measure(promise, soak);
    const seconds = (performance.now() - began) / 1000;
    counts[`${holds}`] += 1;
    if (json) say(JSON.stringify({ name, holds, figure, limit, statement, seconds }));
    else {
      const columns = [name.padEnd(15), WORDS[`${holds}`].padEnd(8), figure, `[${limit}]`];
      say(`${columns.join(" ")} ${seconds.toFixed(0)} s`);
    }
  }
  const skipped = counts.skipped > 0 ? `, ${counts.skipped} skipped` : "";
  say(`${counts.true} passed, ${counts.false} failed${skipped}`);
  process.exitCode = counts.false > 0 ? 1 : 0;
}

function readArguments() {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: {
        soak: { type: "boolean", default: false },
        json: { type: "boolean", default: false },
        list: { type: "boolean", default: false },
      },
    });
    return { values, chosen: choose(positionals) };
  } catch (error) {
    process.stderr.write(`USAGE: ${(error as Error).message}\n`);
    process.exit(2);
  }
}

const { values, chosen } = readArguments();
if (values.list) {
  for (const { name, statement, limit } of chosen) say(`${name}: ${statement}. Limit: ${limit}.`);
} else {
  await measureAll(chosen, values);
}
