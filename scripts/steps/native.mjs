// The loader, the addon, the worker and the C++ tests, built by cmake-js.
import { existsSync } from "node:fs";
import { availableParallelism, totalmem } from "node:os";
import { join } from "node:path";
import {
  digest,
  filesUnder,
  log,
  packageBin,
  root,
  run,
  unlessUnchanged,
  work,
} from "../shared.mjs";

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
    const options = [
      ...["--directory", root, "--out", buildTree, "--config", "Release", "--log-level", "warn"],
      `--CDTORCHSIGHT_LIBTORCH=${libtorch.path}`,
      // cmake-js would choose the static runtime; libtorch uses the shared one.
      "--CDCMAKE_MSVC_RUNTIME_LIBRARY=MultiThreadedDLL",
    ];
    const cmakeJs = packageBin("cmake-js");
    const env = buildEnvironment();
    await run(process.execPath, [cmakeJs, "configure", ...options], { env });
    await run(process.execPath, [cmakeJs, "build", ...options], { env });
  });
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

/** Whether the C++ tests were built, which they are where doctest is installed. */
export function hasNativeTests(tree = buildTree) {
  return existsSync(join(tree, "native", "tests", "CTestTestfile.cmake"));
}
