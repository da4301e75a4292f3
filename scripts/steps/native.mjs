// The loader, the addon, the worker and the C++ tests, built by cmake-js.
import { existsSync } from "node:fs";
import { availableParallelism, totalmem } from "node:os";
import { join } from "node:path";
import {
  capture,
  digest,
  filesUnder,
  log,
  packageBin,
  root,
  run,
  unlessUnchanged,
  work,
} from "../shared.mjs";
import { countCtest } from "./count.mjs";

export const buildTree = join(work, "build");
const OUTPUTS = [
  "build/Release/torchsight.node",
  "build/Release/native/torchsight_core.node",
  ...(process.platform === "win32" ? [] : ["build/Release/native/torchsight-worker"]),
];

/** Builds what changed. */
export async function buildNative(libtorch) {
  const sources = filesUnder("native", "CMakeLists.txt", "package-lock.json");
  const facts = [libtorch.path, libtorch.version, process.env.CXX ?? ""];
  await unlessUnchanged("native", digest(sources, ...facts), OUTPUTS, async () => {
    log("building the native parts (the first time takes a few minutes)");
    await compile(buildTree, { TORCHSIGHT_LIBTORCH: libtorch.path }, buildEnvironment());
  });
}

/** Configures and builds everything in `tree` with these variables of cmake. */
export async function compile(tree, definitions, env) {
  const options = [
    ...["--directory", root, "--out", tree, "--config", "Release", "--log-level", "warn"],
    ...Object.entries(definitions).map(([name, value]) => `--CD${name}=${value}`),
    // cmake-js would choose the static runtime; libtorch uses the shared one.
    "--CDCMAKE_MSVC_RUNTIME_LIBRARY=MultiThreadedDLL",
  ];
  const cmakeJs = packageBin("cmake-js");
  await run(process.execPath, [cmakeJs, "configure", ...options], { env });
  await run(process.execPath, [cmakeJs, "build", ...options], { env });
}

/** The environment of every C++ build here. */
export function buildEnvironment() {
  // libtorch's headers take over a gigabyte to compile, whatever the number of processors.
  const jobs = Math.max(1, Math.min(availableParallelism(), Math.floor(totalmem() / 2e9)));
  return {
    CMAKE_BUILD_PARALLEL_LEVEL: String(jobs),
    // Lets ccache serve precompiled headers, and other clones of the same sources.
    CCACHE_SLOPPINESS: "pch_defines,time_macros",
    CCACHE_BASEDIR: root,
    CCACHE_NOHASHDIR: "1",
    ...process.env,
  };
}

/** Runs the C++ tests of `tree`, which are there if doctest was, and counts them. */
export async function testNative(tree, env) {
  if (!existsSync(join(tree, "native", "tests", "CTestTestfile.cmake"))) {
    log("the C++ tests are skipped: doctest was not there when the native parts were built");
    return { passed: 0, failed: 0, skipped: 1 };
  }
  log("C++ tests");
  const args = ["--test-dir", join(tree, "native"), "--verbose", "--timeout", "300"];
  const { output, code } = await capture("ctest", args, { env });
  const counts = countCtest(output, code);
  if (counts.failed > 0) process.stdout.write(output);
  log(`C++ tests: ${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`);
  return counts;
}
