// Leaves prebuilds/<platform>-<arch>/ for the package: the loader as prebuildify copies it, and
// beside it native/ with the addon and the worker.
import { cpSync, existsSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { log, packageBin, root, run } from "./shared.mjs";

const release = join(root, "build", "Release");
const prebuild = join(root, "prebuilds", `${process.platform}-${process.arch}`);
rmSync(prebuild, { recursive: true, force: true });

// node-gyp looks for Node's headers even for a target that compiles nothing itself; those of this
// Node save it the download.
const prefix = dirname(dirname(process.execPath));
const headers = existsSync(join(prefix, "include", "node", "common.gypi"));
const env = headers ? { ...process.env, npm_config_nodedir: prefix } : process.env;
await run(process.execPath, [packageBin("prebuildify"), "--napi", "--strip"], { env });

cpSync(join(release, "native"), join(prebuild, "native"), { recursive: true });
// prebuildify moves the loader away; the clone keeps its own.
cpSync(join(prebuild, "torchsight.node"), join(release, "torchsight.node"));
log(`the prebuild is in ${prebuild}`);
