// The steps of the bootstrap, in order, under one lock.
import { join } from "node:path";
import { withLock } from "../../lib/install/lock.js";
import { log, work } from "../shared.mjs";
import { provideLibtorch } from "./libtorch.mjs";
import { checkMachine } from "./machine.mjs";
import { buildNative } from "./native.mjs";
import { installPackages } from "./packages.mjs";
import { buildTypeScript } from "./typescript.mjs";

/** Does the named steps, each only as far as something changed. */
export async function bootstrap(steps) {
  const lock = join(work, "bootstrap.lock");
  const waiting = (pid) =>
    log(`waiting for process ${pid}, which is building this clone (${lock})`);
  await withLock(lock, () => perform(steps), waiting);
}

async function perform(steps) {
  const native = steps.includes("native");
  const needsLibtorch = native || steps.includes("libtorch");
  if (needsLibtorch) await checkMachine();
  if (steps.includes("packages")) await installPackages();
  const libtorch = needsLibtorch ? await provideLibtorch() : undefined;
  if (native) await buildNative(libtorch);
  if (steps.includes("ts")) await buildTypeScript();
}
