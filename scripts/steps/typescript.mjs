// dist/, compiled from lib/.
import { chmodSync, rmSync } from "node:fs";
import { join } from "node:path";
import { digest, filesUnder, log, packageBin, root, run, unlessUnchanged } from "../shared.mjs";

export async function buildTypeScript() {
  const sources = filesUnder("lib", "tsconfig.json", "package-lock.json");
  await unlessUnchanged("typescript", digest(sources), ["dist/cli/main.js"], async () => {
    log("compiling the TypeScript");
    // What a removed source left must not be packed.
    rmSync(join(root, "dist"), { recursive: true, force: true });
    await run(process.execPath, [packageBin("typescript", "tsc"), "-p", root]);
    chmodSync(join(root, "dist", "cli", "main.js"), 0o755);
  });
}
