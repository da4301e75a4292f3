// Fuzzes the readers of hostile input: `npm run fuzz [seconds]`, 60 by default. Builds with clang,
// AddressSanitizer and UndefinedBehaviorSanitizer, starts from the stored fixtures, and keeps its
// corpus in the cache from run to run. Exit 1 and the path of the input where something is found.
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { log, root, run, Stop, status, work, works } from "./shared.mjs";

const seconds = Number(process.argv[2] ?? 60);
const tree = join(work, "fuzz");
const [corpus, seeds, findings] = ["corpus", "seeds", "findings"].map((name) => join(tree, name));
// As in fuzz_readers.cc: the first byte of an input chooses its reader.
const reader = {
  safetensors: 0,
  json: 1,
  index: 2,
  npy: 3,
  npz: 4,
  manifest: 5,
  source: 6,
  spec: 7,
};

try {
  if (!(seconds > 0)) throw new Stop(`expected seconds but received ${process.argv[2]}`);
  const clang = await findClang();
  log(`building the fuzz target with ${clang}`);
  const compilers = [
    `-DCMAKE_C_COMPILER=${clang}`,
    `-DCMAKE_CXX_COMPILER=${clang.replace("clang", "clang++")}`,
  ];
  await run("cmake", ["-S", join(root, "native", "fuzz"), "-B", tree, ...compilers]);
  await run("cmake", ["--build", tree, "--parallel", String(availableParallelism())]);
  for (const folder of [corpus, seeds, findings]) mkdirSync(folder, { recursive: true });
  writeSeeds();
  log(`fuzzing for ${seconds} s`);
  const options = [
    `-max_total_time=${seconds}`,
    `-dict=${join(root, "native", "fuzz", "readers.dict")}`,
    `-artifact_prefix=${findings}/`,
    "-max_len=8192",
    "-timeout=10",
    "-rss_limit_mb=2048",
    "-print_final_stats=1",
  ];
  const known = new Set(readdirSync(findings));
  const stdio = ["ignore", 2, 2];
  const code = await status(join(tree, "fuzz_readers"), [...options, corpus, seeds], { stdio });
  const found = readdirSync(findings).filter((name) => !known.has(name));
  for (const name of found) process.stdout.write(`found: ${join(findings, name)}\n`);
  process.stdout.write(`${found.length} findings in ${seconds} s\n`);
  process.exitCode = code === 0 && found.length === 0 ? 0 : 1;
} catch (error) {
  log(error instanceof Stop ? error.message : error.stack);
  process.exitCode = 1;
}

async function findClang() {
  const names = ["clang", ...Array.from({ length: 12 }, (_, i) => `clang-${24 - i}`)];
  for (const name of names) if (await works(name, "--version")) return name;
  throw new Stop("expected clang for fuzzing but found none: install clang and its libFuzzer");
}

/** A manifest of two ranks. */
function twoRanks() {
  const files = ["a", "b"].map((name) => ({ name, bytes: 80, header: "0".repeat(40) }));
  const pieces = [
    { file: 0, begin: 0, length: 3 },
    { file: 1, begin: 3, length: 1 },
  ];
  const tensors = [
    { name: "w", dtype: "F32", shape: [4, 3], cut: 0, pieces },
    { name: "b", dtype: "BF16", shape: [2], file: 0 },
  ];
  const facts = { format: "torchsight-shards", version: 1, ranks: 2, layout: "tokens" };
  return { ...facts, dtype: "float32", config: null, files, tensors };
}

/** Writes small inputs for every reader. */
function writeSeeds() {
  const fixtures = join(root, "test", "fixtures");
  const seed = (kind, name, ...parts) => {
    const bytes = parts.map((part) => (typeof part === "string" ? Buffer.from(part) : part));
    writeFileSync(
      join(seeds, `${kind}-${name}`),
      Buffer.concat([Buffer.from([reader[kind]]), ...bytes]),
    );
  };
  const written = join(fixtures, "safetensors", "written");
  for (const name of existsSync(written) ? readdirSync(written) : []) {
    const file = readFileSync(join(written, name));
    const end = 8 + Number(file.readBigUInt64LE(0));
    const dataBytes = Buffer.alloc(2);
    dataBytes.writeUInt16LE(file.length - end);
    seed("safetensors", name, dataBytes, file.subarray(8, end));
    seed("json", name, file.subarray(8, end));
  }
  for (const name of readdirSync(join(fixtures, "npz"))) {
    const kind = name.endsWith(".npy") ? "npy" : "npz";
    if (!name.endsWith(".safetensors")) seed(kind, name, readFileSync(join(fixtures, "npz", name)));
  }
  seed("json", "values", '{"a":[1,-2.5e3,true,null,"\\u00e9\\ud83d\\ude00"],"b":{"c":{}}}');
  const check =
    "static void check_input_0(\nint32_t a_expected_dtype = aoti_torch_dtype_float32();\n" +
    "if (a_size[0] < 2) {\nif (a_size[0] > 64) {\nif (8 != a_size[1]) {\n";
  seed("source", "one", check, 'assert_size_stride(a, {2L*s0, 8L}, {8L, 1L}, "input");\n');
  const leaf = '{"type":null,"context":null,"children_spec":[]}';
  const tuple = `{"type":"builtins.tuple","context":"null","children_spec":[${leaf}]}`;
  const dict = `{"type":"builtins.dict","context":"[\\"a\\"]","children_spec":[${leaf}]}`;
  seed("spec", "one", `[1,${tuple.replace(leaf, `${tuple},${dict}`)}]`);
  const shard = "model-00001-of-00001.safetensors";
  seed("index", "one", `{"metadata":{"total_size":4},"weight_map":{"a":"${shard}"}}`);
  seed("manifest", "two", JSON.stringify(twoRanks()));
}
