// Runs the C++ tests by ctest, then the TypeScript tests by ava, and counts what they report.
// `--asan` builds the C++ tests with AddressSanitizer and UndefinedBehaviorSanitizer and runs
// those alone. Other arguments are test files for ava, which then runs alone.
import { join } from "node:path";
import { capture, log, packageBin, root, run, Stop, work, works } from "./shared.mjs";
import { countTap } from "./steps/count.mjs";
import { provideLibtorch } from "./steps/libtorch.mjs";
import { buildEnvironment, buildTree, testNative } from "./steps/native.mjs";

const files = process.argv.slice(2).filter((word) => word !== "--asan");

try {
  const parts = [];
  if (process.argv.includes("--asan")) parts.push(await sanitized());
  else {
    if (files.length === 0) parts.push(await testNative(buildTree, process.env));
    parts.push(await typescript());
  }
  const sum = (key) => parts.reduce((total, part) => total + part[key], 0);
  const skipped = sum("skipped") ? `, ${sum("skipped")} skipped` : "";
  process.stdout.write(`${sum("passed")} passed, ${sum("failed")} failed${skipped}\n`);
  process.exitCode = sum("failed") === 0 && sum("passed") > 0 ? 0 : 1;
} catch (error) {
  log(error instanceof Stop ? error.message : error.stack);
  process.exitCode = 1;
}

async function typescript() {
  log("TypeScript tests");
  const args = [packageBin("ava"), "--tap", ...files];
  const echo = (text) => process.stdout.write(text);
  const { output, code } = await capture(process.execPath, args, { onOutput: echo });
  return countTap(output, code);
}

async function sanitized() {
  const libtorch = await provideLibtorch();
  const tree = join(work, "asan");
  const env = buildEnvironment();
  log("building the C++ tests with sanitizers");
  const options = [
    `-DTORCHSIGHT_LIBTORCH=${libtorch.path}`,
    "-DTORCHSIGHT_SANITIZE=address,undefined",
    "-DCMAKE_BUILD_TYPE=Debug",
    // Debug alone would leave libtorch's inline functions unoptimised and the tests slow.
    "-DCMAKE_CXX_FLAGS=-O1",
  ];
  const generator = (await works("ninja", "--version")) ? ["-G", "Ninja"] : [];
  await run("cmake", [...generator, "-S", root, "-B", tree, ...options], { env });
  await run("cmake", ["--build", tree, "--target", "torchsight_tests"], { env });
  return testNative(tree, {
    ...env,
    // libtorch itself is not instrumented: its containers cannot be checked across the border,
    // and what it keeps for the whole process is not a leak. Tests ask for too much memory.
    ASAN_OPTIONS: "detect_container_overflow=0:detect_leaks=0:allocator_may_return_null=1",
    UBSAN_OPTIONS: "print_stacktrace=1:halt_on_error=1",
  });
}
