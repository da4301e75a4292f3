import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import test from "ava";

const project = fileURLToPath(new URL("tsconfig.json", import.meta.url));
const compiler = fileURLToPath(new URL("../../node_modules/typescript/bin/tsc", import.meta.url));

test("what should compile does, and what should not does not", async (t) => {
  const run = promisify(execFile)(process.execPath, [compiler, "-p", project]);
  const { stdout } = await run.catch((error: { stdout: string }) => error);
  t.is(stdout, "");
});
