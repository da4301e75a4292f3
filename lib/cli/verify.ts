import { type Check, furthest, type Rows } from "../verify/checks.js";
import { type Verification, verify } from "../verify/verify.js";
import { defineCommand } from "./command.js";
import { loadOptions } from "./model_args.js";

export default defineCommand({
  name: "verify",
  description: "Computes what others have published of a model, and compares",
  args: {
    name: { type: "positional", description: "org/name, which is pulled first if need be" },
    revision: {
      type: "string",
      valueHint: "R",
      description: "A branch, a tag, refs/pr/N or a commit; main by default",
    },
    image: {
      type: "string",
      valueHint: "FILE",
      description: "The picture that the values are of, where it cannot be fetched",
    },
    "local-files-only": { type: "boolean", description: "Make no request" },
  },
  async run({ args, output, signal }) {
    const bar = output.progress(args.name);
    let verification: Verification;
    try {
      verification = await verify(args.name, {
        ...loadOptions(args, signal),
        revision: args.revision,
        image: args.image,
        localFilesOnly: args["local-files-only"],
        onProgress: ({ done, total, phase }) => {
          if (total > 0) bar.update(Math.round((done / total) * 100), 100, phase);
        },
      });
    } finally {
      bar.stop();
    }
    const { checks, holds } = verification;
    output.result(verification, describe(verification));
    if (holds) return 0;
    const failed = checks.filter((check) => !check.holds).map(({ name }) => name);
    const count = `${failed.length} of ${checks.length}`;
    process.stderr.write(`INTERNAL: ${count} values do not hold: ${failed.join("; ")}\n`);
    return 1;
  },
});

const HEADER = ["value", "published", "here", "difference", "tolerance", "holds", "source"];

/** A table with the numbers that differ most. */
function describe({ name, revision, checks }: Verification): string {
  const rows = [HEADER, ...checks.map(cellsOf)];
  const widths = HEADER.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  const lines = rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column]!))
      .join("  ")
      .trimEnd(),
  );
  const title = revision === undefined ? name : `${name} at ${revision}`;
  return [title, "", ...lines].join("\n");
}

function cellsOf(check: Check): string[] {
  const { name, source, expected, got, tolerance, difference, holds } = check;
  const pair = furthest(check);
  const numbers = pair
    ? [pair.expected, pair.got].map(shorten)
    : [`${expected.length} rows`, finite(got) ? `${got.length} rows` : "not finite"];
  const apart = difference === null ? "-" : shorten(difference);
  return [name, ...numbers, apart, `${tolerance}`, holds ? "yes" : "no", source];
}

const finite = (rows: Rows) => rows.flat().every(Number.isFinite);

/** At most five significant digits. */
const shorten = (number: number) => `${Number(number.toPrecision(5))}`;
