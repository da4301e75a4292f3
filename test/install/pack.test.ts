/** The package as it is packed, installed in an empty folder with scripts off. */
import { execFile } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import test, { type ExecutionContext } from "ava";
import { requireLibtorch } from "../../lib/install/libtorch.js";
import { nativeFiles } from "../../lib/native/paths.js";
import { root, runNode, temporaryFolder } from "./helpers.js";

const execute = promisify(execFile);
const PLATFORM = `${process.platform}-${process.arch}`;

async function npm(words: string[], cwd: string): Promise<string> {
  const script = process.env.npm_execpath;
  const [command, first] = script ? [process.execPath, [script]] : ["npm", []];
  const options = { cwd, maxBuffer: 1 << 26, shell: !script && process.platform === "win32" };
  return (await execute(command, [...first, ...words], options)).stdout;
}

/** A copy of what is packed, with the build of this machine as its prebuild. */
async function pack(t: ExecutionContext): Promise<string> {
  const stage = temporaryFolder(t);
  const { files } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  for (const name of ["package.json", "README.md", "LICENSE", ...files]) {
    if (name !== "prebuilds" && existsSync(join(root, name))) {
      cpSync(join(root, name), join(stage, name), { recursive: true });
    }
  }
  const { loader } = nativeFiles();
  const prebuild = join(stage, "prebuilds", PLATFORM);
  mkdirSync(prebuild, { recursive: true });
  cpSync(loader, join(prebuild, "torchsight.node"));
  cpSync(join(dirname(loader), "native"), join(prebuild, "native"), { recursive: true });
  const packed = await npm(["pack", "--json", "--ignore-scripts"], stage);
  return join(stage, JSON.parse(packed)[0].filename);
}

test("packed, installed in an empty folder with scripts off, it computes", async (t) => {
  t.timeout(300_000);
  const tarball = await pack(t);
  const folder = temporaryFolder(t);
  writeFileSync(join(folder, "package.json"), '{"private": true, "type": "module"}');
  const install = ["install", "--ignore-scripts", "--prefer-offline", "--no-audit", "--no-fund"];
  await npm([...install, tarball], folder);

  const installed = join(folder, "node_modules", "torchsight");
  const shipped = readdirSync(installed);
  for (const name of ["binding.gyp", "native", "lib", "scripts", "test", "node_modules"]) {
    t.false(shipped.includes(name), name);
  }
  for (const name of ["dist", "prebuilds", "README.md", "LICENSE", "THIRD-PARTY.md"]) {
    t.true(shipped.includes(name), name);
  }

  const env = { TORCHSIGHT_LIBTORCH: requireLibtorch().path };
  const body = `
    const sum = torchsight.tensor([1, 2, 3]).add(torchsight.tensor([10, 20, 30]));
    sum.data().then((data) => console.log(Array.from(data).join()));
  `;
  const esm = `import * as torchsight from "torchsight"; ${body}`;
  const asModule = await runNode(["--input-type=module", "-e", esm], env, folder);
  t.deepEqual([asModule.code, asModule.stdout], [0, "11,22,33\n"], asModule.stderr);

  const cjs = `const torchsight = require("torchsight"); ${body}`;
  const asCommon = await runNode(["--input-type=commonjs", "-e", cjs], env, folder);
  t.deepEqual([asCommon.code, asCommon.stdout], [0, "11,22,33\n"], asCommon.stderr);

  const bin = join(folder, "node_modules", "torchsight", "dist", "cli", "main.js");
  const doctor = await runNode([bin, "doctor", "--json"], env, folder);
  t.is(doctor.code, 0, doctor.stdout);
  const report = JSON.parse(doctor.stdout);
  t.true(report.ok);
  t.true(report.addon.path.startsWith(installed));
  t.is(report.devices[0].name, "cpu");
});
