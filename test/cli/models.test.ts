/** `call`, `inspect` and `encode` as processes: results, documents, codes. */
import { copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import test from "ava";
import { tensor } from "../../lib/core/create.js";
import { writeTensors } from "../../lib/core/files.js";
import { agrees, fixture, temporary, tensorsOf } from "../models/fixtures.js";
import { interrupted, torchsight } from "./run.js";

const PHOTO = fileURLToPath(new URL("../../assets/photos/chelsea.jpg", import.meta.url));
const BASE = fixture("vit22b", "base");
const SHARDABLE = fixture("vit22b", "shardable");

const inputs = (folder: string) => ["--inputs", join(folder, "inputs.safetensors")];

for (const [name, words] of Object.entries({
  "in this process": [],
  isolated: ["--isolate"],
  "over two ranks": ["--tensor-parallel", "2", "--layout", "tokens"],
})) {
  test(`call ${name}: outputs and all taps as expected`, async (t) => {
    const out = join(temporary(t), "out.safetensors");
    const ran = await torchsight(
      "call",
      SHARDABLE,
      "encode",
      ...inputs(SHARDABLE),
      "--outputs",
      out,
      "--taps",
      "all",
      "--json",
      ...words,
    );
    t.is(ran.code, 0, ran.stderr);
    const got = await tensorsOf(out);
    const expected = await tensorsOf(join(SHARDABLE, "expected.safetensors"));
    for (const tap of ["embeddings", "blocks.1", "blocks.0.q_normed", "pooler_output"]) {
      await agrees(t, tap, got[tap]!, expected[tap]!);
    }
    const document = JSON.parse(ran.stdout) as { tensors: { name: string; dtype: string }[] };
    t.deepEqual(document.tensors.map((one) => one.name).sort(), Object.keys(got).sort());
  });
}

test("call: single taps, and results in the model's own dtype only if asked for", async (t) => {
  const folder = temporary(t);
  const call = async (...words: string[]) => {
    const out = join(folder, "out.safetensors");
    const half = ["--dtype", "bfloat16", "--taps", "blocks.0,embeddings"];
    const given = [...inputs(BASE), "--outputs", out, ...half, ...words];
    const ran = await torchsight("call", BASE, "encode", ...given);
    t.is(ran.code, 0, ran.stderr);
    return await tensorsOf(out);
  };
  const plain = await call();
  const names = ["blocks.0", "embeddings", "last_hidden_state", "pooler_output"];
  t.deepEqual(Object.keys(plain).sort(), names);
  t.is(plain["blocks.0"]?.dtype, "float32");
  t.is((await call("--keep-dtype"))["blocks.0"]?.dtype, "bfloat16");
});

test("call: random weights follow the seed and need no file", async (t) => {
  const folder = temporary(t);
  copyFileSync(join(BASE, "config.json"), join(folder, "config.json"));
  const out = join(folder, "out.safetensors");
  const words = ["call", folder, "encode", ...inputs(BASE), "--outputs", out];
  const without = await torchsight(...words);
  t.is(without.code, 1);
  t.regex(without.last, /^BAD_CHECKPOINT: /);
  const first = await torchsight(...words, "--random", "--seed", "4");
  t.is(first.code, 0, first.stderr);
  const a = await tensorsOf(out);
  t.is((await torchsight(...words, "--random", "--seed", "4")).code, 0);
  const b = await tensorsOf(out);
  await agrees(t, "the same seed", a.last_hidden_state!, b.last_hidden_state!, 0);
});

const call = (...words: string[]) => ["call", BASE, "encode", ...words];
const FAILURES: [name: string, code: number, line: RegExp, words: string[]][] = [
  ["no inputs", 2, /^USAGE: missing --inputs$/, call("--outputs", "x")],
  ["no method", 2, /^USAGE: missing METHOD$/, ["call", BASE, ...inputs(BASE), "--outputs", "x"]],
  [
    "a folder that is not there",
    1,
    /^NOT_FOUND: there is no model nowhere$/,
    ["call", "nowhere", "encode", ...inputs(BASE), "--outputs", "x"],
  ],
  [
    "inputs that are not there",
    1,
    /^NOT_FOUND: there is no file nowhere/,
    [...call("--inputs", "nowhere.safetensors", "--outputs", "x")],
  ],
  ["inputs that are no tensors", 1, /^BAD_CHECKPOINT: /, call("--inputs", PHOTO, "--outputs", "x")],
  [
    "a wrong method",
    1,
    /^NOT_FOUND: .*encode/,
    ["call", BASE, "enc0de", ...inputs(BASE), "--outputs", "x"],
  ],
  [
    "an unknown tap",
    1,
    /^BAD_INPUT: .*embeddings/,
    [...call(...inputs(BASE), "--outputs", "x", "--taps", "blocks.9")],
  ],
  [
    "a setting that is no JSON",
    2,
    /^USAGE: .*--set a=b/,
    [...call(...inputs(BASE), "--outputs", "x", "--set", "a=b")],
  ],
  [
    "an unknown option of the method",
    1,
    /^BAD_INPUT: .*"colour"/,
    [...call(...inputs(BASE), "--outputs", "x", "--set", "colour=1")],
  ],
  [
    "heads that cannot be split",
    1,
    /^BAD_CONFIG: .*num_attention_heads/,
    [...call(...inputs(BASE), "--outputs", "x", "--tensor-parallel", "2")],
  ],
  ["no ranks", 2, /^USAGE: /, call(...inputs(BASE), "--outputs", "x", "--tensor-parallel", "0")],
  ["inspecting nothing", 2, /^USAGE: missing PATH$/, ["inspect"]],
  ["inspecting what is not there", 1, /^NOT_FOUND: /, ["inspect", "nowhere"]],
  ["inspecting a picture", 1, /^BAD_CHECKPOINT: /, ["inspect", PHOTO]],
  ["encoding without a model", 2, /^USAGE: missing --model$/, ["encode", "--image", PHOTO]],
  ["encoding without a picture", 2, /^USAGE: missing --image$/, ["encode", "--model", BASE]],
  [
    "encoding what is no picture",
    1,
    /^BAD_INPUT: /,
    ["encode", "--model", BASE, "--image", join(BASE, "config.json")],
  ],
];

for (const [name, code, line, words] of FAILURES) {
  test(`fails with ${code}: ${name}`, async (t) => {
    const ran = await torchsight(...words);
    t.is(ran.code, code, ran.stderr);
    t.regex(ran.last, line);
    t.is(ran.stdout, "");
    t.notRegex(ran.stderr, /\n\s+at /);
  });
}

test.serial("an interrupt ends a running call with 130", async (t) => {
  const folder = temporary(t);
  const model = { model_type: "torchsight_diagnostics" };
  writeFileSync(join(folder, "config.json"), JSON.stringify(model));
  const inputs = join(folder, "in.safetensors");
  await writeTensors(inputs, {});
  const files = ["--inputs", inputs, "--outputs", join(folder, "out.safetensors")];
  const waiting = ["call", folder, "wait", ...files, "--random", "--set", "seconds=60"];
  const ran = await interrupted(8000, ...waiting);
  t.is(ran.code, 130, ran.stderr);
  t.is(ran.signal, null);
  t.regex(ran.last, /^CANCELLED: /);
});

test("a failure is one document with --json", async (t) => {
  const ran = await torchsight("inspect", "nowhere", "--json");
  t.is(ran.code, 1);
  t.deepEqual(JSON.parse(ran.stdout), {
    error: { code: "NOT_FOUND", message: "there is no file nowhere" },
  });
});

test("inspect: a folder, its file, and the numbers", async (t) => {
  for (const path of [BASE, join(BASE, "model.safetensors")]) {
    const ran = await torchsight("inspect", path, "--json");
    t.is(ran.code, 0, ran.stderr);
    const document = JSON.parse(ran.stdout);
    t.deepEqual(document.files, [join(BASE, "model.safetensors")]);
    const [bias] = document.tensors.filter((one: { name: string }) => one.name === "norm.weight");
    t.deepEqual(bias, {
      name: "norm.weight",
      dtype: "float32",
      shape: [24],
      bytes: 96,
      file: join(BASE, "model.safetensors"),
    });
    t.is(document.config.model_type, "vit22b");
    const bytes = document.tensors.reduce(
      (sum: number, one: { bytes: number }) => sum + one.bytes,
      0,
    );
    t.is(document.parameters, bytes / 4);
  }
  const text = await torchsight("inspect", BASE);
  t.regex(text.stdout, /^blocks\.0\.attn\.k\.weight\s+float32 \[24, 24\]$/m);
});

test("encode: features of each picture, as lines or as a file", async (t) => {
  const folder = temporary(t);
  const lines = await torchsight("encode", "--model", BASE, "--image", PHOTO, PHOTO, "--json");
  t.is(lines.code, 0, lines.stderr);
  const documents = lines.stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  t.deepEqual(
    documents.map(({ file, features }) => [file, features.length]),
    [
      [PHOTO, 24],
      [PHOTO, 24],
    ],
  );
  const out = join(folder, "features.safetensors");
  const written = await torchsight("encode", "--model", BASE, "--image", PHOTO, "--out", out);
  t.is(written.code, 0, written.stderr);
  const { pooler_output, last_hidden_state } = await tensorsOf(out);
  t.deepEqual(last_hidden_state?.shape, [1, 9, 24]);
  // Alone and as one of two, a picture differs by rounding.
  await agrees(t, "features", pooler_output!, tensor([documents[0].features]));
});

test("encode: a model without pooling says what to do", async (t) => {
  const folder = join(temporary(t), "model");
  mkdirSync(folder);
  const bare = fixture("vit22b", "bare");
  copyFileSync(join(bare, "config.json"), join(folder, "config.json"));
  copyFileSync(join(bare, "model.safetensors"), join(folder, "model.safetensors"));
  const ran = await torchsight("encode", "--model", folder, "--image", PHOTO);
  t.is(ran.code, 1);
  t.regex(ran.last, /^UNSUPPORTED: .*--out/);
  writeFileSync(join(folder, "config.json"), "{}");
  t.regex((await torchsight("encode", "--model", folder, "--image", PHOTO)).last, /^BAD_CONFIG: /);
});
