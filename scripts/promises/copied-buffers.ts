import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { capture, packageBin, root, run } from "../shared.mjs";
import { countTap } from "../steps/count.mjs";
import { buildEnvironment, buildTree } from "../steps/native.mjs";
import type { RuntimePromise } from "./promise.js";

/** Laid out as a package, so that `TORCHSIGHT_PREBUILD` can name it. */
const PACKAGE = join(buildTree, "copied-buffers");
const TARGET = "torchsight_copied_buffers";
const DEFINE = "NODE_API_NO_EXTERNAL_BUFFERS_ALLOWED";

/** Compiles the addon's own files without external buffers; loader and worker stay as they are. */
async function build(): Promise<void> {
  const options = ["--build", buildTree, "--config", "Release", "--target", TARGET];
  await run("cmake", options, { env: buildEnvironment() });
  const from = join(root, "build", "Release");
  const to = join(PACKAGE, "build", "Release");
  mkdirSync(join(to, "native"), { recursive: true });
  copyFileSync(join(from, "torchsight.node"), join(to, "torchsight.node"));
  const worker = readdirSync(join(from, "native")).find((name) => name.includes("worker"));
  if (worker) copyFileSync(join(from, "native", worker), join(to, "native", worker));
}

/** Whether the addon was really compiled so. */
function copies(): boolean {
  const commands = join(buildTree, "compile_commands.json");
  return existsSync(commands) && readFileSync(commands, "utf8").includes(DEFINE);
}

export const copiedBuffers: RuntimePromise = {
  name: "copied-buffers",
  statement:
    `An addon built with ${DEFINE}, as Electron demands, passes the tests of the core: tensors, ` +
    "operators, gradients, jobs",
  limit: "0 failures",
  minutes: { short: 10, soak: 10 },
  async run() {
    if (!existsSync(join(buildTree, "CMakeCache.txt"))) {
      return { holds: "skipped", figure: "the native parts were not built here" };
    }
    await build();
    const args = [packageBin("ava"), "--tap", "test/core/*.test.ts"];
    const env = { ...process.env, TORCHSIGHT_PREBUILD: PACKAGE };
    const { output, code } = await capture(process.execPath, args, { env });
    const { passed, failed } = countTap(output, code);
    if (failed > 0) process.stderr.write(output);
    const figure = `${passed} tests passed, ${failed} failed${copies() ? "" : ", not built so"}`;
    return { holds: failed === 0 && passed > 0 && copies(), figure };
  },
};
