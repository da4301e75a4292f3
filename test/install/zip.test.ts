import { randomBytes } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import { unpackWheel } from "../../lib/install/fetch.js";
import { libraryFile } from "../../lib/install/libtorch.js";
import { unzip, zipEntries } from "../../lib/install/zip.js";
import { makeZip, temporaryFolder } from "./helpers.js";

const LIBRARY = libraryFile("torch").replaceAll("\\", "/");

test("entries come out as they went in, stored or deflated", async (t) => {
  const folder = temporaryFolder(t);
  const files = {
    "a.txt": Buffer.from("hello".repeat(1000)),
    "deep/b.bin": randomBytes(300_000),
    empty: Buffer.alloc(0),
    "deep/empty too": Buffer.alloc(0),
  };
  const archive = join(folder, "archive.zip");
  writeFileSync(archive, makeZip(files));
  const names = (await zipEntries(archive)).map(({ name }) => name);
  t.deepEqual(names, Object.keys(files));
  t.is(await unzip(archive, join(folder, "out"), (name) => name), 4);
  for (const [name, content] of Object.entries(files)) {
    t.true(readFileSync(join(folder, "out", name)).equals(content), name);
  }
});

test("only what is asked for is written, and where it is asked for", async (t) => {
  const folder = temporaryFolder(t);
  const archive = join(folder, "archive.zip");
  writeFileSync(archive, makeZip({ "a/x": Buffer.from("1"), "b/x": Buffer.from("2") }));
  const place = (name: string) => (name.startsWith("b/") ? "y" : undefined);
  t.is(await unzip(archive, folder, place), 1);
  t.is(readFileSync(join(folder, "y"), "utf8"), "2");
  t.false(existsSync(join(folder, "a")));
});

test("a damaged entry is refused", async (t) => {
  const folder = temporaryFolder(t);
  const archive = join(folder, "archive.zip");
  const content = randomBytes(1000);
  const bytes = makeZip({ first: Buffer.from("x"), second: content });
  const at = bytes.indexOf(content);
  bytes[at + 500] = (bytes[at + 500] ?? 0) ^ 1;
  writeFileSync(archive, bytes);
  const error = await t.throwsAsync(unzip(archive, folder, (name) => name));
  t.regex(error.message, /damaged entry second/);
});

test("an entry that would leave the folder is refused", async (t) => {
  const folder = temporaryFolder(t);
  const archive = join(folder, "archive.zip");
  writeFileSync(archive, makeZip({ "../out.txt": Buffer.from("x") }));
  await t.throwsAsync(
    unzip(archive, join(folder, "in"), (name) => name),
    { message: /\.\./ },
  );
  t.false(existsSync(join(folder, "out.txt")));
});

for (const [what, bytes] of Object.entries({
  "an empty file": Buffer.alloc(0),
  "no archive": Buffer.from("not a zip".repeat(100)),
  "a cut archive": makeZip({ a: Buffer.from("abc") }).subarray(0, 60),
  "a directory beyond the end": (() => {
    const archive = makeZip({ a: Buffer.from("abc") });
    archive.writeUInt32LE(1 << 30, archive.length - 6);
    return archive;
  })(),
})) {
  test(`${what} is refused`, async (t) => {
    const archive = join(temporaryFolder(t), "archive.zip");
    writeFileSync(archive, bytes);
    await t.throwsAsync(zipEntries(archive), { name: "InstallError" });
  });
}

test("of a wheel, libraries, headers, version and licences are kept", async (t) => {
  const folder = temporaryFolder(t);
  const wheel = join(folder, "torch.whl");
  const text = (content: string) => Buffer.from(content);
  writeFileSync(
    wheel,
    makeZip({
      [LIBRARY]: text("library"),
      "torch/lib/libtorch_python.so": text("python"),
      "torch/include/ATen/ATen.h": text("header"),
      "torch/version.py": text("__version__ = '2.13.0'"),
      "torch/nn/modules.py": text("python"),
      "torch-2.13.0.dist-info/licenses/LICENSE": text("licence"),
      "torch-2.13.0.dist-info/METADATA": text("metadata"),
    }),
  );
  t.is(await unpackWheel(wheel, folder), 4);
  t.is(readFileSync(join(folder, LIBRARY), "utf8"), "library");
  t.is(readFileSync(join(folder, "torch/licenses/torch/LICENSE"), "utf8"), "licence");
  t.false(existsSync(join(folder, "torch/lib/libtorch_python.so")));
  t.false(existsSync(join(folder, "torch/nn")));
});

test("a wheel for another platform is refused", async (t) => {
  const folder = temporaryFolder(t);
  const wheel = join(folder, "torch.whl");
  writeFileSync(wheel, makeZip({ "torch/lib/other": Buffer.from("x") }));
  await t.throwsAsync(unpackWheel(wheel, folder), { name: "InstallError" });
});
