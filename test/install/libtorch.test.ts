import { chmodSync } from "node:fs";
import { homedir } from "node:os";
import { delimiter, join } from "node:path";
import test from "ava";
import {
  cachedLibtorch,
  cacheFolder,
  findLibtorch,
  libraryFile,
  libtorchVersion,
  PINNED_VERSION,
  requireLibtorch,
} from "../../lib/install/libtorch.js";
import { runNode, temporaryFolder, writeTree } from "./helpers.js";

const LIBRARY = libraryFile("");

function fakeLibtorch(folder: string, version = "2.13.0+cpu"): string {
  return writeTree(folder, { [LIBRARY]: "", "version.py": `__version__ = '${version}'\n` });
}

test("the cache is where each platform keeps caches", (t) => {
  t.is(cacheFolder({ XDG_CACHE_HOME: "/x" }, "linux"), join("/x", "torchsight"));
  t.is(cacheFolder({}, "linux"), join(homedir(), ".cache", "torchsight"));
  t.is(cacheFolder({}, "darwin"), join(homedir(), "Library", "Caches", "torchsight"));
  t.is(cacheFolder({ LOCALAPPDATA: "/l" }, "win32"), join("/l", "torchsight", "Cache"));
  t.is(cacheFolder({ TORCHSIGHT_CACHE: "/c", XDG_CACHE_HOME: "/x" }, "linux"), "/c");
});

test("a named folder goes before a bundle, and a bundle before the cache", (t) => {
  const folder = temporaryFolder(t);
  const env = { TORCHSIGHT_CACHE: join(folder, "cache") };
  const bundle = join(folder, "bundle");
  t.is(findLibtorch({ env, bundle }), undefined);
  const cached = fakeLibtorch(cachedLibtorch("cpu", env.TORCHSIGHT_CACHE));
  t.deepEqual(findLibtorch({ env, bundle }), {
    path: cached,
    version: "2.13.0+cpu",
    variant: "cpu",
    how: "cache",
  });
  fakeLibtorch(bundle);
  t.is(findLibtorch({ env, bundle })?.how, "bundle");
  const named = fakeLibtorch(join(folder, "named"), "2.14.1");
  const found = findLibtorch({ env: { ...env, TORCHSIGHT_LIBTORCH: named }, bundle });
  t.is(found?.how, "TORCHSIGHT_LIBTORCH");
  t.is(found?.version, "2.14.1");
});

test("a named site-packages leads to the torch in it", (t) => {
  const folder = temporaryFolder(t);
  fakeLibtorch(join(folder, "torch"));
  const found = findLibtorch({ env: { TORCHSIGHT_LIBTORCH: folder } });
  t.is(found?.path, join(folder, "torch"));
});

test("a libtorch with CUDA is told apart", (t) => {
  const folder = fakeLibtorch(temporaryFolder(t), "2.13.0+cu130");
  writeTree(folder, { [libraryFile("", "torch_cuda")]: "" });
  t.is(findLibtorch({ env: { TORCHSIGHT_LIBTORCH: folder } })?.variant, "cuda");
});

test("a named folder without libtorch is an error, not a reason to look elsewhere", (t) => {
  const folder = temporaryFolder(t);
  const env = { TORCHSIGHT_LIBTORCH: folder, TORCHSIGHT_CACHE: folder };
  fakeLibtorch(cachedLibtorch("cpu", folder));
  const error = t.throws(() => findLibtorch({ env }), { name: "InstallError" });
  t.true(error?.message.includes(folder));
});

for (const version of ["2.10.2", "2.15.0", "1.13.1", "3.13.0", ""]) {
  test(`libtorch ${version || "of unknown version"} is refused`, (t) => {
    const folder = fakeLibtorch(temporaryFolder(t), version);
    const env = { TORCHSIGHT_LIBTORCH: folder };
    t.throws(() => findLibtorch({ env }), {
      message: /expected libtorch 2\.11 to 2\.14 but found/,
    });
  });
}

test("where there is none, the error says how to get one", (t) => {
  const env = { TORCHSIGHT_CACHE: temporaryFolder(t) };
  t.throws(() => requireLibtorch({ env }), { message: /torchsight setup/ });
});

test("the version is read from whichever file tells it", (t) => {
  const folder = temporaryFolder(t);
  t.is(libtorchVersion(folder), "");
  writeTree(folder, {
    "include/torch/headeronly/version.h": '#define TORCH_VERSION \\\n  "2.12.1"\n',
  });
  t.is(libtorchVersion(folder), "2.12.1");
  writeTree(folder, { "build-version": "2.12.1+cpu\n" });
  t.is(libtorchVersion(folder), "2.12.1+cpu");
});

test("`python` leads to the torch of the Python on PATH", async (t) => {
  if (process.platform === "win32") return t.pass("the stand-in is a shell script");
  const folder = temporaryFolder(t);
  const torch = fakeLibtorch(join(folder, "site-packages", "torch"));
  writeTree(folder, { "bin/python3": `#!/bin/sh\nprintf %s '${join(torch, "__init__.py")}'\n` });
  chmodSync(join(folder, "bin/python3"), 0o755);
  const code = `
    import { findLibtorch } from "./lib/install/libtorch.js";
    console.log(JSON.stringify(findLibtorch()));
  `;
  const { stdout } = await runNode(["--input-type=module", "-e", code], {
    TORCHSIGHT_LIBTORCH: "python",
    PATH: `${join(folder, "bin")}${delimiter}${process.env.PATH}`,
  });
  const expected = { path: torch, version: "2.13.0+cpu", variant: "cpu", how: "python" };
  t.deepEqual(JSON.parse(stdout), expected);
});

test("the pinned version is one that is supported", (t) => {
  const folder = fakeLibtorch(temporaryFolder(t), PINNED_VERSION);
  t.is(findLibtorch({ env: { TORCHSIGHT_LIBTORCH: folder } })?.version, PINNED_VERSION);
});
