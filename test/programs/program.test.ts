/** Programs exported by Python, run here: the same numbers, every way they can be called. */
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { full, ones, zeros } from "../../lib/core/create.js";
import type { ErrorCode } from "../../lib/core/errors.js";
import { writeTensors } from "../../lib/core/files.js";
import { Program, type ProgramOptions } from "../../lib/core/program.js";
import { formatMethod } from "../../lib/core/schema.js";
import type { Tensor } from "../../lib/core/tensor.js";
import { torchsight } from "../cli/run.js";
import { root, runNode } from "../install/helpers.js";
import { agrees, temporary, tensorsOf } from "../models/fixtures.js";
import { type Entries, readPackage, writePackage } from "./archives.js";
import { exportedPrograms, lacking } from "./exported.js";

// Set before the first program: what programs unpack is looked for here.
const SCRATCH = mkdtempSync(join(tmpdir(), "torchsight-scratch-"));
process.env.TMPDIR = SCRATCH;
test.after.always(() => rmSync(SCRATCH, { recursive: true, force: true }));

let folder = "";
const programs = lacking === undefined ? test.serial : test.serial.skip;
const titled = (title: string) => (lacking === undefined ? title : `${title} (${lacking})`);
/** A test that needs what Python has exported. */
const exported = (title: string, run: (t: ExecutionContext) => Promise<void>) =>
  programs(titled(title), run);

if (lacking === undefined) {
  test.before((t) => {
    t.timeout(300_000);
    folder = exportedPrograms();
  });
}

const path = (name: string) => join(folder, `${name}.pt2`);
const open = (name: string, options: Partial<ProgramOptions> = {}) =>
  Program.load(path(name), { trust: true, ...options });

/** Inputs and expected outputs of call `i`. */
async function callOf(name: string, i: number): Promise<[Named, Named]> {
  const stored = await tensorsOf(join(folder, `${name}.safetensors`));
  const under = (prefix: string) =>
    Object.fromEntries(
      Object.entries(stored)
        .filter(([key]) => key.startsWith(`${i}.${prefix}.`))
        .map(([key, value]) => [key.slice(prefix.length + 3), value]),
    );
  return [under("in"), under("out")];
}
type Named = Record<string, Tensor>;

const PARITY: [name: string, file: string, method: string, calls: number][] = [
  ["model", "model", "forward", 3],
  ["conv", "conv", "forward", 2],
  ["encoder", "pair", "encoder", 3],
];
for (const place of [{}, { isolate: true, threads: 2 }]) {
  for (const [name, file, method, calls] of PARITY) {
    exported(`${name} gives what Python gives ${JSON.stringify(place)}`, async (t) => {
      await using program = await open(file, place);
      t.is(program.pids.length, place.isolate ? 1 : 0);
      for (let i = 0; i < calls; i += 1) {
        const [inputs, expected] = await callOf(name, i);
        using result = await program.call(method, inputs);
        const { taps, ...outputs } = result;
        t.deepEqual(Object.keys(outputs).sort(), Object.keys(expected).sort());
        for (const [key, value] of Object.entries(expected)) {
          t.is(outputs[key]?.dtype, value.dtype);
          await agrees(t, `${name}.${key} of call ${i}`, outputs[key]!, value);
        }
      }
    });
  }
}

exported("schemas come from the package", async (t) => {
  const symbols = /\bs\d+\b/g;
  const shown = (program: Program) =>
    Object.values(program.methods).map((method) => {
      const seen: string[] = [];
      return formatMethod(method).replace(symbols, (name) => {
        if (!seen.includes(name)) seen.push(name);
        return "BN"[seen.indexOf(name)] ?? name;
      });
    });
  await using model = await open("model");
  t.deepEqual(shown(model), [
    "forward(pixels: float32 [B, 3, 32, 32]) -> logits: any [...], features: any [...]",
  ]);
  t.regex(model.methods.forward?.doc ?? "", /^s\d+ in 1\.\.64$/);
  t.is(model.metadata.forward?.AOTI_DEVICE_KEY, "cpu");
  t.deepEqual([model.taps, model.parameters], [[], []]);
  await using conv = await open("conv");
  t.deepEqual(shown(conv), [
    "forward(input_0: float32 [B, 3, 16, 16], input_1: float32 [2*B]) -> " +
      "output_0: any [...], output_1: any [...], output_2: any [...]",
  ]);
  t.is(conv.metadata.forward?.author, "torchsight");
  await using pair = await open("pair");
  t.deepEqual(shown(pair), [
    "conv(pixels: float32 [B, 3, 16, 16], scales: float32 [2*B]) -> " +
      "output_0: float32 [B, 4, 14, 14], output_1?: any [...], output_2: int64 [B]",
    "encoder(tokens: int64 [B, N], padding: bool [B, N]) -> output: float32 [B, N, 32]",
  ]);
  await using one = await open("pair", { model: "encoder" });
  t.deepEqual(Object.keys(one.methods), ["encoder"]);
});

exported("inputs may lie in memory in any way, and int32 is widened", async (t) => {
  await using program = await open("pair");
  const [{ input_0: pixels, input_1: scales }, expected] = await callOf("conv", 1);
  using last = pixels!.permute([0, 2, 3, 1]).contiguous();
  using view = last.permute([0, 3, 1, 2]);
  t.notDeepEqual(view.strides, pixels!.strides);
  using result = await program.call("conv", { pixels: view, scales });
  await agrees(t, "a view", result.output_0!, expected.output_0!);
  const [{ tokens, padding }, encoded] = await callOf("encoder", 1);
  using narrow = tokens!.to("int32");
  using same = await program.call("encoder", { tokens: narrow, padding });
  await agrees(t, "int32", same.output!, encoded.output!);
});

const float = (...shape: number[]) => ({ pixels: ones(shape) });
const WRONG: [name: string, method: string, inputs: () => Named, ErrorCode, message: RegExp][] = [
  ["no input", "forward", () => ({}), "BAD_INPUT", /a tensor for pixels/],
  ["an unknown input", "forward", () => ({ x: ones([1]) }), "BAD_INPUT", /but received "x"/],
  ["an unknown method", "back", () => ({}), "NOT_FOUND", /the methods forward/],
  ["too few dimensions", "forward", () => float(3, 32, 32), "SHAPE", /\[3, 32, 32\]/],
  ["another size", "forward", () => float(1, 3, 32, 31), "SHAPE", /\[1, 3, 32, 31\]/],
  ["too large a batch", "forward", () => float(65, 3, 32, 32), "SHAPE", /at most 64.*received 65/],
  ["an empty batch", "forward", () => float(0, 3, 32, 32), "SHAPE", /at least 1.*received 0/],
  [
    "another dtype",
    "forward",
    () => ({ pixels: ones([1, 3, 32, 32], { dtype: "float64" }) }),
    "DTYPE",
    /expected float32 for pixels but received float64/,
  ],
];
for (const isolate of [false, true]) {
  exported(`wrong inputs are refused ${isolate ? "in a worker" : "here"}`, async (t) => {
    await using program = await open("model", { isolate });
    for (const [name, method, inputs, code, message] of WRONG) {
      const calling = program.call(method, inputs());
      await t.throwsAsync(async () => await calling, { code, message }, name);
    }
    using result = await program.call("forward", float(1, 3, 32, 32));
    t.deepEqual(result.logits?.shape, [1, 10]);
  });
}

const sentence = (rows: number, columns: number, token = 1) => ({
  tokens: full([rows, columns], token, { dtype: "int64" }),
  padding: zeros([rows, columns], { dtype: "bool" }),
});

exported("sizes that must agree, and what the code itself refuses", async (t) => {
  await using program = await open("pair");
  const uneven = { ...sentence(2, 3), padding: sentence(2, 4).padding };
  const calling = program.call("encoder", uneven);
  await t.throwsAsync(async () => await calling, { code: "SHAPE", message: /is 3 by tokens/ });
  const single = program.call("conv", { pixels: ones([3, 3, 16, 16]), scales: ones([5]) });
  const twice = { code: "SHAPE", message: /expected 6 \(2\*s\d+\) for dimension 0 of scales/ };
  await t.throwsAsync(async () => await single, twice);
  const unknown = program.call("encoder", sentence(2, 3, 99));
  const error = await t.throwsAsync(async () => await unknown, { code: "BAD_INPUT" });
  t.like(error, { reason: "PROGRAM_FAILED" });
  t.regex(error?.message ?? "", /^the model "encoder" failed: index out of bounds: .*$/);
  using result = await program.call("encoder", sentence(2, 3));
  t.deepEqual(result.output?.shape, [2, 3, 32]);
});

exported("jobs: progress of loading, deadline, cancel, several at a time", async (t) => {
  const phases = new Set<string>();
  await using program = await open("pair", {
    runners: 2,
    onProgress: ({ phase }) => void phases.add(phase),
  });
  t.true(phases.has("unpack"));
  const large = sentence(64, 128);
  const late = program.call("encoder", large, { deadline: 1 });
  await t.throwsAsync(async () => await late, { code: "DEADLINE" });
  const abort = new AbortController();
  const first = program.call("encoder", large);
  const second = program.call("encoder", large, { signal: abort.signal });
  abort.abort();
  await t.throwsAsync(async () => await second, { code: "CANCELLED" });
  const [inputs, expected] = await callOf("encoder", 2);
  const many = Array.from({ length: 6 }, () => program.call("encoder", inputs));
  for (const result of await Promise.all(many)) {
    await agrees(t, "side by side", result.output!, expected.output!);
    result[Symbol.dispose]();
  }
  (await first)[Symbol.dispose]();
});

exported("results outlive their program, and nothing that was unpacked is left", async (t) => {
  for (const isolate of [false, true]) {
    const program = await open("model", { isolate });
    const [inputs, expected] = await callOf("model", 1);
    const result = await program.call("forward", inputs);
    await program[Symbol.asyncDispose]();
    await agrees(t, "logits", result.logits!, expected.logits!);
    const after = program.call("forward", inputs);
    await t.throwsAsync(async () => await after, { code: "DISPOSED" });
  }
  t.deepEqual(left(), []);
});

const left = () => readdirSync(SCRATCH).filter((name) => name.startsWith("torchsight-program"));

exported("a killed worker is an error; the next call has a new one", async (t) => {
  await using program = await open("model", { isolate: true });
  const [inputs, expected] = await callOf("model", 1);
  process.kill(program.pids[0]!, "SIGKILL");
  // The first call may come before the death is known, and then fails with it.
  await program.call("forward", inputs).then(
    (result) => result[Symbol.dispose](),
    (error) => t.is(error.code, "WORKER_FAILED"),
  );
  using result = await program.call("forward", inputs);
  await agrees(t, "logits", result.logits!, expected.logits!);
});

exported("a program is not saved", async (t) => {
  await using program = await open("model");
  await t.throwsAsync(async () => await program.save(temporary(t)), { code: "UNSUPPORTED" });
});

const replaced = (entries: Entries, end: string, change: (bytes: Buffer) => Buffer): Entries =>
  Object.fromEntries(
    Object.entries(entries).map(([name, bytes]) => [
      name,
      name.endsWith(end) ? change(bytes) : bytes,
    ]),
  );
const text = (from: string, to: string) => (bytes: Buffer) =>
  Buffer.from(bytes.toString("latin1").replaceAll(from, to), "latin1");
const TAMPERED: [string, string, (bytes: Buffer) => Buffer, ErrorCode, reason: string][] = [
  [
    "another libtorch's functions",
    ".so",
    text("addmm_out", "addmm_0ut"),
    "UNSUPPORTED",
    "OTHER_LIBTORCH",
  ],
  [
    "a library that ends early",
    ".so",
    (so) => so.subarray(0, 5000),
    "BAD_CHECKPOINT",
    "NOT_A_LIBRARY",
  ],
  ["no checks", "wrapper.cpp", text("check_input_", "look_at_"), "UNSUPPORTED", "NO_CHECKS"],
  [
    "no sizes of dynamic dimensions",
    "wrapper.cpp",
    text("assert_size_stride(", "look_at_size_stride("),
    "UNSUPPORTED",
    "NO_CHECKS",
  ],
  [
    "a dtype we lack",
    "wrapper.cpp",
    text("dtype_float32", "dtype_float8_e8m0fnu"),
    "UNSUPPORTED",
    "INPUT_DTYPE",
  ],
];
exported("packages that do not fit this libtorch are refused", async (t) => {
  const work = temporary(t);
  const entries = await readPackage(path("model"), join(work, "unpacked"));
  for (const [name, end, change, code, reason] of TAMPERED) {
    const file = writePackage(join(work, "changed.pt2"), replaced(entries, end, change));
    const loading = Program.load(file, { trust: true, isolate: true });
    const error = await t.throwsAsync(async () => await loading, { code }, name);
    t.like(error, { reason }, `${name}: ${error?.message}`);
  }
  t.deepEqual(left(), []);
});

exported("torchsight call runs a program", async (t) => {
  const work = temporary(t);
  const [inputs, expected] = await callOf("model", 1);
  const [given, out] = [join(work, "in.safetensors"), join(work, "out.safetensors")];
  await writeTensors(given, inputs);
  const words = ["--trust", "--inputs", given, "--outputs", out, "--json"];
  for (const place of [[], ["--isolate"]]) {
    const ran = await torchsight("call", path("model"), "forward", ...words, ...place);
    t.is(ran.code, 0, ran.stderr);
    const got = await tensorsOf(out);
    await agrees(t, "logits", got.logits!, expected.logits!);
  }
});

exported("the ten lines of the page run as they are printed", async (t) => {
  const page = readFileSync(join(root, "docs", "programs.md"), "utf8");
  const example = /```ts\n([\s\S]*?)```/.exec(page)?.[1] ?? "";
  // Inside the package, where its own name leads to it.
  const work = join(root, ".cache", "programs", "page");
  mkdirSync(work, { recursive: true });
  writeFileSync(join(work, "example.ts"), example);
  copyFileSync(path("model"), join(work, "model.pt2"));
  const { code, stdout, stderr } = await runNode(["--import=tsx", "example.ts"], {}, work);
  t.is(code, 0, stderr);
  t.regex(stdout, /^\[ 5, 10 \] Float32Array\(50\)/);
});
