import { execFileSync } from "node:child_process";
import { cpSync } from "node:fs";
import { createRequire } from "node:module";
import { delimiter, dirname, join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { libraryFile } from "../../lib/install/libtorch.js";
import { nativePaths, workerEnvironment } from "../../lib/native/load.js";
import { nativeFiles } from "../../lib/native/paths.js";
import { runNode, temporaryFolder, writeTree } from "./helpers.js";

const require = createRequire(import.meta.url);
const open = `
  import { addon } from "./dist/native/load.js";
  try {
    addon();
    console.log("opened");
  } catch (error) {
    console.log(error.name + " " + error.code + " " + error.message);
  }
`;

/** Opens the addon in a process of its own and tells what came of it. */
async function tryOpening(env: NodeJS.ProcessEnv): Promise<string> {
  const ended = await runNode(["--input-type=module", "-e", open], env);
  return ended.signal ? `ended by ${ended.signal}` : ended.stdout.trim() + ended.stderr;
}

/** A libtorch of nothing but the function that tells its version. */
function compileLibtorch(t: ExecutionContext, version: string, source: string): string {
  const folder = writeTree(temporaryFolder(t), {
    "version.py": `__version__ = '${version}'\n`,
    "lib/empty.cc": "",
    "lib/version.cc": source,
  });
  const compiler = process.env.CXX ?? "c++";
  for (const [name, file] of [
    ["c10", "empty"],
    ["torch_cpu", "version"],
  ] as const) {
    const output = libraryFile(folder, name);
    execFileSync(compiler, ["-shared", "-fPIC", "-o", output, join(folder, `lib/${file}.cc`)]);
  }
  return folder;
}

const told = (minor: number) => `
  extern "C" __attribute__((visibility("default"))) unsigned long long aoti_torch_abi_version() {
    return (2ull << 56) | (${minor}ull << 48);
  }`;

const compiled = process.platform === "win32" ? test.skip : test;

test("the loader knows what it was built for, and maps libtorch", (t) => {
  const loader = require(nativeFiles().loader);
  t.regex(loader.builtFor, /^2\.\d+$/);
  const { libtorch } = nativePaths();
  loader.map(libraryFile(libtorch.path, "c10"));
  loader.map(libraryFile(libtorch.path, "torch_cpu"));
  t.is(`${loader.abiVersion().join(".")}`, libtorch.version.split("+")[0] ?? "");
});

test("the loader refuses what is not a path to a library", (t) => {
  const loader = require(nativeFiles().loader);
  t.throws(() => loader.map(1), { code: "BAD_INPUT" });
  t.throws(() => loader.map(), { code: "BAD_INPUT" });
  t.throws(() => loader.map("/nowhere/libnothing.so"), { code: "LIBTORCH", message: /nowhere/ });
});

compiled("a libtorch of another minor is refused with both versions named", async (t) => {
  const folder = compileLibtorch(t, "2.12.0", told(12));
  const { builtFor } = require(nativeFiles().loader);
  const result = await tryOpening({ TORCHSIGHT_LIBTORCH: folder });
  t.true(result.startsWith(`TorchsightError LIBTORCH expected libtorch ${builtFor}`), result);
  t.true(result.includes(`but found 2.12 in ${folder}`), result);
});

compiled("a libtorch that does not tell its version is refused", async (t) => {
  const folder = compileLibtorch(t, "2.13.0", "");
  const result = await tryOpening({ TORCHSIGHT_LIBTORCH: folder });
  t.regex(result, /^TorchsightError LIBTORCH .* found one that does not tell its version/);
});

test("a damaged libtorch is a readable error and not a crash", async (t) => {
  const folder = writeTree(temporaryFolder(t), { "version.py": "__version__ = '2.13.0'\n" });
  for (const name of ["c10", "torch_cpu"]) {
    writeTree(folder, { [libraryFile("", name)]: "not a library" });
  }
  const result = await tryOpening({ TORCHSIGHT_LIBTORCH: folder });
  t.true(result.startsWith("TorchsightError LIBTORCH "), result);
  t.true(result.includes(folder), result);
});

test("a package without an addon for this platform says so", async (t) => {
  const result = await tryOpening({ TORCHSIGHT_PREBUILD: temporaryFolder(t) });
  t.regex(result, /^TorchsightError NOT_FOUND expected an addon for \w+-\w+/);
});

test("a damaged addon is a readable error", async (t) => {
  const { loader } = nativeFiles();
  const folder = temporaryFolder(t);
  const release = join(folder, "build", "Release");
  writeTree(release, { "native/torchsight_core.node": "not an addon" });
  cpSync(loader, join(release, "torchsight.node"));
  const result = await tryOpening({ TORCHSIGHT_PREBUILD: folder });
  t.regex(result, /^TorchsightError LIBTORCH expected to load .*torchsight_core\.node but failed/);
});

test("the worker is started with libtorch on the library path", (t) => {
  const libtorch = nativePaths().libtorch;
  const env = workerEnvironment(libtorch);
  const names = { darwin: "DYLD_LIBRARY_PATH", win32: "PATH" } as Record<string, string>;
  const value = env[names[process.platform] ?? "LD_LIBRARY_PATH"];
  t.is(value?.split(delimiter)[0], dirname(libraryFile(libtorch.path)));
  t.is(env.HOME, process.env.HOME);
});
