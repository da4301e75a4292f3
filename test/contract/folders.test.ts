/** The contract of a system's folder, on both sides: see `docs/architecture.md`. */
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import test from "ava";
import { native } from "../../lib/core/runtime.js";
import type { ModuleDescription } from "../../lib/core/schema.js";
import { systems } from "../../lib/models/index.js";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

function foldersOf(...path: string[]): string[] {
  const folder = join(ROOT, ...path);
  return readdirSync(folder).filter((name) => statSync(join(folder, name)).isDirectory());
}

function filesUnder(folder: string): string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, encoding: "utf8" })
    .map((name) => join(folder, name))
    .filter((name) => statSync(join(ROOT, name)).isFile());
}

const text = (path: string) => readFileSync(join(ROOT, path), "utf8");
const names = Object.keys(systems).sort();

test("each system has a folder on both sides, a line in the table and a native factory", (t) => {
  t.deepEqual(foldersOf("lib", "models").sort(), names);
  t.deepEqual(foldersOf("native", "models").sort(), names);
  const ofSystems = native()
    .modelTypes()
    .filter((name) => !name.startsWith("torchsight_"));
  t.deepEqual(
    ofSystems.toSorted(),
    Object.values(systems)
      .flatMap((one) => one.modelTypes)
      .sort(),
  );
});

for (const name of names) {
  test(`${name}: the files of lib/models`, (t) => {
    const folder = join("lib", "models", name);
    for (const file of ["config", "weights", "processing", "pipeline", "index"]) {
      t.true(existsSync(join(ROOT, folder, `${file}.ts`)), `${file}.ts`);
    }
    t.regex(text(join(folder, "config.ts")), /arXiv \d{4}\.\d{4,5}/, "variants cite their paper");
    const readme = text(join(folder, "README.md"));
    t.regex(readme, /verified with real weights/i);
    t.regex(readme, /arxiv\.org\/abs\/\d{4}\.\d{4,5}/, "the source");
    t.regex(readme, /^## Limits$/m);
  });

  test(`${name}: the files of native/models`, (t) => {
    const folder = join("native", "models", name);
    for (const ending of [".h", ".cc"]) {
      t.true(existsSync(join(ROOT, folder, name + ending)), name + ending);
    }
    for (const pair of ["sharding", "train"]) {
      const [header, source] = [".h", ".cc"].map((e) => existsSync(join(ROOT, folder, pair + e)));
      t.is(header, source, `${pair}.h and ${pair}.cc come together`);
    }
  });

  test(`${name}: has tests of its own and fixtures of a public implementation`, (t) => {
    t.true(existsSync(join(ROOT, "test", "models", `${name}.test.ts`)));
    t.true(foldersOf("test", "fixtures", name).length > 0);
    t.true(existsSync(join(ROOT, "scripts", "oracles", `${name}.py`)));
  });

  test(`${name}: every method declares what it takes and gives`, (t) => {
    for (const fixture of foldersOf("test", "fixtures", name)) {
      const config = JSON.parse(text(join("test", "fixtures", name, fixture, "config.json")));
      const complete = systems[name as keyof typeof systems].parseConfig(config);
      const described = native().describeModel(JSON.stringify(complete));
      const { methods, taps, parameters } = JSON.parse(described) as ModuleDescription;
      t.true(methods.length > 0);
      t.true(taps.length > 0, "taps for parity tests");
      t.true(parameters.length > 0);
      for (const { name: method, doc, inputs, outputs } of methods) {
        t.not(doc, "", method);
        t.true(inputs.length > 0 && outputs.length > 0, method);
        for (const spec of inputs) t.true(spec.dtypes.length > 0, `${method}: ${spec.name}`);
        for (const spec of [...inputs, ...outputs]) {
          t.true(spec.batchAxis < spec.shape.length, `${method}: ${spec.name}`);
        }
      }
      t.is(new Set(parameters.map((parameter) => parameter.name)).size, parameters.length);
    }
  });
}

test("arrows point down: no layer imports one above it", (t) => {
  const above: Record<string, string[]> = {
    "lib/native": ["cli", "verify", "models", "hub", "media", "text", "eval"],
    "lib/core": ["cli", "verify", "models", "hub", "media", "text", "eval"],
    "lib/launch": ["cli", "verify", "models", "hub", "media", "text", "eval"],
    "lib/eval": ["cli", "verify", "models", "hub", "media", "text"],
    "lib/hub": ["cli", "verify", "models", "media", "text"],
    "lib/media": ["cli", "verify", "models", "hub", "text", "data"],
    "lib/data": ["cli", "verify", "models", "hub", "text", "bench"],
    "lib/text": ["cli", "verify", "models", "hub", "media"],
    "lib/search": ["cli", "verify", "models", "hub", "media", "text", "generation", "configs"],
    "lib/configs": ["cli", "verify", "models", "hub", "media", "text", "generation"],
    "lib/generation": ["cli", "verify", "models", "hub", "media", "configs"],
    "lib/models": ["cli", "verify", "video"],
    "lib/video": ["cli", "verify", "recipes"],
    "lib/verify": ["cli"],
  };
  for (const [folder, layers] of Object.entries(above)) {
    for (const file of filesUnder(folder).filter((name) => name.endsWith(".ts"))) {
      for (const layer of layers) t.notRegex(text(file), new RegExp(`from "[./]+/${layer}/`), file);
    }
  }
  for (const file of filesUnder("lib").filter((name) => name.endsWith(".ts"))) {
    if (/^lib.(core|launch|native|bench|cli)./.test(file)) continue;
    t.notRegex(text(file), /from "[./]+\/native\//, `${file} goes through lib/core`);
  }
});

test("only bindings and worker may leave the core: napi.h and Node stay there", (t) => {
  for (const file of filesUnder("native").filter((name) => /\.(h|cc)$/.test(name))) {
    if (/^native.(bindings|worker)./.test(file)) continue;
    t.notRegex(text(file), /#include\s*[<"](napi|node_api|uv)\.h/, file);
    t.notRegex(text(file), /#include\s*"(bindings|worker)\//, file);
  }
});

test("systems do not include each other", (t) => {
  for (const name of names) {
    for (const file of filesUnder(join("native", "models", name))) {
      for (const [, other] of text(file).matchAll(/#include "models\/(\w+)\//g)) {
        t.is(other, name, file);
      }
    }
    for (const file of filesUnder(join("lib", "models", name))) {
      for (const other of names.filter((one) => one !== name)) {
        t.notRegex(text(file), new RegExp(`from "\\.\\./${other}/`), file);
      }
    }
  }
});
