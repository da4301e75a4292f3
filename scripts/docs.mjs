// The API pages in docs/api, by typedoc. It needs a TypeScript older than the one that compiles the
// package, so it lives in a package folder of its own.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { log, root, run } from "./shared.mjs";

const folder = join(root, "scripts", "docs");
const typedoc = join(folder, "node_modules", "typedoc", "bin", "typedoc");
if (!existsSync(typedoc)) {
  log("installing typedoc");
  const npm = process.env.npm_execpath;
  const [command, first] = npm ? [process.execPath, [npm]] : ["npm", []];
  await run(command, [...first, "ci", "--no-audit", "--no-fund"], { cwd: folder });
}
await run(process.execPath, [typedoc, "--options", join(folder, "typedoc.json")], { cwd: folder });
log("the API pages are in docs/api/index.html");
