/** Programs that are refused before any of their code is run: no Python is needed to make them. */
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import type { ErrorCode } from "../../lib/core/errors.js";
import { load } from "../../lib/core/load.js";
import { Program, type ProgramOptions } from "../../lib/core/program.js";
import { torchsight } from "../cli/run.js";
import { temporary } from "../models/fixtures.js";
import { type Entries, MODEL, plainEntries, writePackage } from "./archives.js";

const TRUSTED = { trust: true };

for (const [name, options] of Object.entries({
  "no options": undefined,
  "no trust": {},
  "trust that is false": { trust: false },
  "trust by a word": { trust: "yes" },
})) {
  test(`refused: ${name}`, async (t) => {
    const file = writePackage(join(temporary(t), "m.pt2"), plainEntries());
    const loading = Program.load(file, options as unknown as ProgramOptions);
    const expected = { code: "BAD_INPUT", message: /native code/ };
    t.like(await t.throwsAsync(async () => await loading, expected), { reason: "NOT_TRUSTED" });
  });
}

const OPTIONS: [name: string, options: object, code: ErrorCode][] = [
  ["no runners", { runners: 0 }, "BAD_INPUT"],
  ["half a runner", { runners: 1.5 }, "BAD_INPUT"],
  ["a thousand runners", { runners: 1000 }, "BAD_INPUT"],
  ["no threads", { threads: 0 }, "BAD_INPUT"],
  ["a device by number", { device: 0 }, "BAD_INPUT"],
  ["a device that is none", { device: "cpu:one" }, "BAD_INPUT"],
  ["a device that PyTorch does not know", { device: "brain" }, "BAD_INPUT"],
  ["a device of another kind", { device: "cuda:1" }, "UNSUPPORTED"],
  ["a model without a name", { model: "" }, "BAD_INPUT"],
  ["a model that is not there", { model: "other" }, "NOT_FOUND"],
];
for (const [name, options, code] of OPTIONS) {
  test(`refused: ${name}`, async (t) => {
    const entries = { ...plainEntries(), [`${MODEL}a.wrapper.so`]: library() };
    const file = writePackage(join(temporary(t), "m.pt2"), entries);
    const loading = Program.load(file, { ...TRUSTED, ...options });
    await t.throwsAsync(async () => await loading, { code });
  });
}

/** The header of a library of this machine, with no segments behind it. */
function library(): Buffer {
  const header = Buffer.alloc(64);
  header.write("\x7fELF\x02\x01\x01", "latin1");
  header.writeUInt16LE(process.arch === "arm64" ? 0xb7 : 0x3e, 18);
  header.writeUInt16LE(64, 32);
  header.writeUInt16LE(56, 54);
  return header;
}

/** A package with entries that replace or, where undefined, leave out those of the plain one. */
const changed = (entries: Record<string, Buffer | string | undefined>): Entries =>
  Object.fromEntries(
    Object.entries({ ...plainEntries(), ...entries })
      .filter(([, bytes]) => bytes !== undefined)
      .map(([name, bytes]) => [name, Buffer.from(bytes as Buffer)]),
  );

const SO = `${MODEL}a.wrapper.so`;
const METADATA = `${MODEL}a.wrapper_metadata.json`;
const target = (fields: object) =>
  changed({ [SO]: library(), [METADATA]: JSON.stringify({ AOTI_DEVICE_KEY: "cpu", ...fields }) });
const riscv = library();
riscv.writeUInt16LE(0xf3, 18);

const PACKAGES: [name: string, entries: Entries, code: ErrorCode, reason: string][] = [
  ["an empty archive", {}, "BAD_CHECKPOINT", "NOT_PT2"],
  ["another archive", { "m/data.pkl": Buffer.from("x") }, "BAD_CHECKPOINT", "NOT_PT2"],
  ["a later archive", changed({ "m/archive_version": "1" }), "UNSUPPORTED", "ARCHIVE_VERSION"],
  ["a name that leaves", changed({ "m/../../x": "x" }), "BAD_CHECKPOINT", "ZIP_PATH"],
  ["a text for code", plainEntries(), "BAD_CHECKPOINT", "NOT_A_LIBRARY"],
  ["source alone", changed({ [SO]: undefined }), "UNSUPPORTED", "SOURCE_ONLY"],
  [
    "no metadata",
    changed({ [SO]: library(), [METADATA]: undefined }),
    "UNSUPPORTED",
    "NO_METADATA",
  ],
  ["bad metadata", changed({ [SO]: library(), [METADATA]: "[]" }), "BAD_CHECKPOINT", "METADATA"],
  ["code of another processor", changed({ [SO]: riscv }), "UNSUPPORTED", "OTHER_MACHINE"],
  ["another machine", target({ AOTI_MACHINE: "riscv64" }), "UNSUPPORTED", "OTHER_MACHINE"],
  ["another system", target({ AOTI_PLATFORM: "plan9" }), "UNSUPPORTED", "OTHER_MACHINE"],
  ["a device that is not here", target({ AOTI_DEVICE_KEY: "hpu" }), "UNSUPPORTED", "NO_DEVICE"],
  ["no device", target({ AOTI_DEVICE_KEY: "" }), "BAD_CHECKPOINT", "NO_DEVICE"],
  ["code that ends early", target({}), "BAD_CHECKPOINT", "NOT_LOADED"],
];
const linux = process.platform === "linux" ? test : test.skip;
for (const [name, entries, code, reason] of PACKAGES) {
  for (const isolate of [false, true]) {
    linux(`refused: ${name}${isolate ? ", isolated" : ""}`, async (t) => {
      const file = writePackage(join(temporary(t), "m.pt2"), entries);
      const loading = Program.load(file, { ...TRUSTED, isolate });
      const error = await t.throwsAsync(async () => await loading, { code });
      t.like(error, { reason }, error?.message);
    });
  }
}

test("refused: files that are no archives, folders, and what is not there", async (t) => {
  const folder = temporary(t);
  const text = join(folder, "text.pt2");
  writeFileSync(text, "this is no archive");
  mkdirSync(join(folder, "folder.pt2"));
  for (const [name, code] of [
    ["text.pt2", "BAD_CHECKPOINT"],
    ["folder.pt2", "BAD_CHECKPOINT"],
    ["absent.pt2", "NOT_FOUND"],
  ] as const) {
    const loading = Program.load(join(folder, name), TRUSTED);
    await t.throwsAsync(async () => await loading, { code }, name);
  }
  await t.throwsAsync(async () => await Program.load(7 as never, TRUSTED), { code: "BAD_INPUT" });
  const asModel = load(text);
  const hint = { code: "UNSUPPORTED", message: /Program\.load/ };
  await t.throwsAsync(async () => await asModel, hint);
});

test.serial("what was unpacked of a refused program is gone", async (t) => {
  const folder = temporary(t);
  const before = process.env.TMPDIR;
  process.env.TMPDIR = folder;
  t.teardown(() => {
    if (before === undefined) delete process.env.TMPDIR;
    else process.env.TMPDIR = before;
  });
  const file = writePackage(join(folder, "m.pt2"), target({}));
  for (const isolate of [false, true]) {
    const loading = Program.load(file, { ...TRUSTED, isolate });
    await t.throwsAsync(async () => await loading);
  }
  t.deepEqual(readdirSync(folder), ["m.pt2"]);
});

const FAILURES: [name: string, code: number, line: RegExp, words: string[]][] = [
  ["without --trust", 1, /^BAD_INPUT: expected true for trust/, []],
  ["with --trust", 1, /^BAD_CHECKPOINT: expected a shared library/, ["--trust"]],
  ["with a dtype", 2, /^USAGE: a program computes in/, ["--trust", "--dtype", "bfloat16"]],
  ["with random weights", 2, /^USAGE: a program has its own weights/, ["--trust", "--random"]],
  ["over ranks", 2, /^USAGE: a program cannot be split/, ["--trust", "--tensor-parallel", "2"]],
];
for (const [name, code, line, words] of FAILURES) {
  test(`torchsight call ${name}`, async (t) => {
    const folder = temporary(t);
    const file = writePackage(join(folder, "m.pt2"), plainEntries());
    const inputs = join(folder, "in.safetensors");
    const header = Buffer.from("{}      ");
    const length = Buffer.alloc(8);
    length.writeUInt32LE(header.length);
    writeFileSync(inputs, Buffer.concat([length, header]));
    const given = ["--inputs", inputs, "--outputs", join(folder, "out.safetensors")];
    const ran = await torchsight("call", file, "forward", ...given, ...words);
    t.is(ran.code, code, ran.stderr);
    t.regex(ran.last, line);
  });
}
