import { readFileSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import { countCtest, countTap } from "../../scripts/steps/count.mjs";
import { root, runNode, temporaryFolder } from "./helpers.js";

const bootstrap = join(root, "scripts", "bootstrap.mjs");

test("the bootstrap names all that the machine lacks, with remedies", async (t) => {
  const { code, stdout, stderr } = await runNode([bootstrap], {
    PATH: temporaryFolder(t),
    CXX: "",
    TORCHSIGHT_LIBTORCH: "",
    TORCHSIGHT_CACHE: temporaryFolder(t),
  });
  t.is(code, 1);
  t.is(stdout, "");
  const lacking = ["cmake 3.18 or newer: ", "python3 with pip to fetch libtorch: "];
  if (process.platform !== "win32") lacking.push("a C++20 compiler: ", "ninja or make: ");
  for (const line of lacking) t.true(stderr.includes(`  - ${line}`), `${line}\n${stderr}`);
  t.notRegex(stderr, /^\s+at /m);
});

test("the bootstrap refuses steps that it does not know", async (t) => {
  const { code, stderr } = await runNode([bootstrap, "fly"]);
  t.is(code, 1);
  t.regex(stderr, /expected steps among packages, libtorch, native, ts but received fly/);
});

test("every npm script that needs a build is preceded by the bootstrap", (t) => {
  const { scripts } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  for (const name of ["demo", "test", "bench", "promises", "soak"]) {
    t.is(scripts[`pre${name}`], "node scripts/bootstrap.mjs", name);
  }
});

test("no script runs when the package is installed", (t) => {
  const { scripts, gypfile } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  for (const name of ["preinstall", "install", "postinstall", "prepare"]) {
    t.is(scripts[name], undefined, name);
  }
  t.is(gypfile, false);
});

test("the lock file names the packages of every platform, as `npm ci` demands", (t) => {
  const { packages } = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8"));
  const entries = Object.values(packages) as { optionalDependencies?: Record<string, string> }[];
  const optional = entries.flatMap((entry) => Object.keys(entry.optionalDependencies ?? {}));
  t.true(optional.length > 40);
  const missing = optional.filter(
    (name) => !Object.keys(packages).some((path) => path.endsWith(`node_modules/${name}`)),
  );
  t.deepEqual(missing, []);
});

const CTEST = `test 1
1: [doctest] test cases:  9 |  7 passed | 2 failed | 20 skipped
1/3 Test #1: lane_test ........................***Failed    0.72 sec
test 2
2: [doctest] test cases: 12 | 12 passed | 0 failed | 0 skipped
2/3 Test #2: schema_test ......................   Passed    0.41 sec
3: starting
3: skipped: gpu: copies (no card)
3/3 Test #3: crash_test .......................***Exception: SegFault  0.10 sec
`;

test("doctest's cases are counted, and a crash counts as a failure", (t) => {
  t.deepEqual(countCtest(CTEST, 8), { passed: 19, failed: 3, skipped: 1 });
  const skipping = `1: skipped: gpu: a (no card)
1: [doctest] test cases: 3 | 3 passed | 0 failed | 0 skipped
1/1 Test #1: gpu_test ......................   Passed    0.41 sec
`;
  t.deepEqual(countCtest(skipping, 0), { passed: 2, failed: 0, skipped: 1 });
  t.deepEqual(countCtest("", 0), { passed: 0, failed: 0, skipped: 0 });
  t.deepEqual(countCtest("", 1), { passed: 0, failed: 1, skipped: 0 });
});

const TAP = `TAP version 13
ok 1 - zip › it works
not ok 2 - zip › it does not
  ---
  message: "ok 3 - not a test"
  ---
ok 3 - gpu › computes # SKIP
ok 4 - plan # TODO
1..4
`;

test("TAP is counted, and an exit code without a failed test is one failure", (t) => {
  t.deepEqual(countTap(TAP, 1), { passed: 1, failed: 1, skipped: 2 });
  t.deepEqual(countTap("ok 1 - fine\n", 1), { passed: 1, failed: 1, skipped: 0 });
  t.deepEqual(countTap("ok 1 - fine\n", 0), { passed: 1, failed: 0, skipped: 0 });
});
