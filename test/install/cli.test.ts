import { spawn } from "node:child_process";
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import { lastLine, program, runNode, temporaryFolder, writeTree } from "./helpers.js";

const run = (args: string[], env: NodeJS.ProcessEnv = {}) => runNode([program, ...args], env);

for (const [what, args] of Object.entries({
  "no command": [],
  "an unknown command": ["fly"],
  "a name from Object's prototype": ["toString"],
  "an unknown option": ["doctor", "--fly"],
  "an argument too many": ["doctor", "now"],
  "an option without its value": ["bundle", "--out"],
  "an option whose value is the next option": ["bundle", "--out", "--quiet"],
  "a missing option": ["bundle"],
  "a value that is not among the choices": ["setup", "--variant", "cu1"],
  "an option given twice": ["bundle", "--out", "a", "--out", "b"],
  "a boolean with another value": ["doctor", "--quiet=maybe"],
})) {
  test(`${what} is wrong usage`, async (t) => {
    const { code, stdout, stderr } = await run(args);
    t.is(code, 2);
    t.regex(lastLine(stderr), /^USAGE: \S/);
    t.is(stdout, "");
    t.notRegex(stderr, /^\s+at /m);
  });
}

test("with --json a failure is a document on stdout as well", async (t) => {
  const { code, stdout, stderr } = await run(["doctor", "--json", "--fly"]);
  t.is(code, 2);
  const { error } = JSON.parse(stdout);
  t.is(error.code, "USAGE");
  t.is(lastLine(stderr), `USAGE: ${error.message}`);
});

test("only --verbose shows a stack trace", async (t) => {
  const { stderr } = await run(["doctor", "--fly", "--verbose"]);
  t.regex(stderr, /^\s+at /m);
  t.regex(lastLine(stderr), /^USAGE: /);
});

test("help and version go to stdout and succeed", async (t) => {
  for (const args of [["--help"], ["help"], ["doctor", "--help"], ["bundle", "--help"]]) {
    const { code, stdout, stderr } = await run(args);
    t.is(code, 0);
    t.regex(stdout, /usage/i);
    t.false(stdout.includes("\u001B"));
    t.is(stderr, "");
  }
  t.regex((await run(["--version"])).stdout, /^\d+\.\d+\.\d+\n$/);
});

test("doctor works with no addon built and no libtorch", async (t) => {
  const env = {
    TORCHSIGHT_PREBUILD: temporaryFolder(t),
    TORCHSIGHT_CACHE: temporaryFolder(t),
    TORCHSIGHT_LIBTORCH: "",
  };
  const { code, stdout, stderr } = await run(["doctor", "--json"], env);
  t.is(code, 1);
  const report = JSON.parse(stdout);
  t.false(report.ok);
  t.is(report.platform, `${process.platform}-${process.arch}`);
  t.is(report.node, process.versions.node);
  t.is(report.libtorch, null);
  t.is(report.addon, null);
  t.deepEqual(report.devices, []);
  const codes = report.problems.map((problem: { code: string }) => problem.code);
  t.deepEqual(codes, ["LIBTORCH", "NOT_FOUND"]);
  for (const { message, remedy } of report.problems) t.true(message !== "" && remedy !== "");
  t.is(lastLine(stderr), `LIBTORCH: ${report.problems[0].message}`);
  const readable = await run(["doctor"], env);
  t.is(readable.code, 1);
  t.regex(readable.stdout, /libtorch {2}none/);
});

test("doctor names a TORCHSIGHT_LIBTORCH that leads nowhere", async (t) => {
  const folder = temporaryFolder(t);
  const { code, stdout } = await run(["doctor", "--json"], { TORCHSIGHT_LIBTORCH: folder });
  t.is(code, 1);
  const [problem] = JSON.parse(stdout).problems;
  t.is(problem.code, "LIBTORCH");
  t.true(problem.message.includes(folder));
});

test("a bundle holds all that a packager needs", async (t) => {
  const out = join(temporaryFolder(t), "bundle");
  const { code, stdout } = await run(["bundle", "--out", out, "--json"]);
  t.is(code, 0);
  const report = JSON.parse(stdout);
  t.deepEqual(readdirSync(out).sort(), ["README.txt", "libtorch", "licenses", "prebuilds"]);
  const files = readdirSync(out, { recursive: true, withFileTypes: true });
  const plain = files.filter((entry) => entry.isFile());
  t.is(report.files, plain.length);
  const bytes = plain.map((entry) => statSync(join(entry.parentPath, entry.name)).size);
  t.is(
    report.bytes,
    bytes.reduce((sum, size) => sum + size, 0),
  );
  const doctor = await run(["doctor", "--json"], {
    TORCHSIGHT_PREBUILD: out,
    TORCHSIGHT_LIBTORCH: "",
    TORCHSIGHT_CACHE: temporaryFolder(t),
  });
  const found = JSON.parse(doctor.stdout);
  t.is(found.libtorch.how, "bundle");
  t.true(found.addon.path.startsWith(out));
});

test("bundle does not write into a folder that holds something", async (t) => {
  const folder = writeTree(temporaryFolder(t), { "mine.txt": "" });
  const { code, stderr } = await run(["bundle", "--out", folder]);
  t.is(code, 1);
  t.regex(lastLine(stderr), /^BAD_INPUT: expected an empty folder/);
  t.deepEqual(readdirSync(folder), ["mine.txt"]);
});

test("a reader that leaves early is no failure", async (t) => {
  const child = spawn(process.execPath, [program, "--help"], { stdio: ["ignore", "pipe", "pipe"] });
  child.stdout.destroy();
  let stderr = "";
  child.stderr.on("data", (text) => {
    stderr += text;
  });
  const code = await new Promise((resolve) => child.on("close", resolve));
  t.is(code, 0);
  t.is(stderr, "");
});
