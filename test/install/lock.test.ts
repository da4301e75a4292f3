import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import { withLock } from "../../lib/install/lock.js";
import { runNode, temporaryFolder } from "./helpers.js";

test("processes under one lock never overlap", async (t) => {
  const folder = temporaryFolder(t);
  const code = `
    import { appendFileSync } from "node:fs";
    import { setTimeout as sleep } from "node:timers/promises";
    import { withLock } from "./lib/install/lock.js";
    const [lock, trace] = process.argv.slice(-2);
    await withLock(lock, async () => {
      appendFileSync(trace, "in\\n");
      await sleep(100);
      appendFileSync(trace, "out\\n");
    });
  `;
  const lock = join(folder, "lock");
  const trace = join(folder, "trace");
  const one = () => runNode(["--input-type=module", "-e", code, lock, trace]);
  const ended = await Promise.all([one(), one(), one(), one()]);
  t.deepEqual(
    ended.map(({ code: exit }) => exit),
    [0, 0, 0, 0],
  );
  t.is(readFileSync(trace, "utf8"), "in\nout\n".repeat(4));
  t.false(existsSync(lock));
});

test("the lock of a process that died is taken over", async (t) => {
  const lock = join(temporaryFolder(t), "lock");
  const { stdout } = await runNode(["-p", "process.pid"]);
  writeFileSync(lock, stdout.trim());
  t.is(await withLock(lock, async () => "done"), "done");
  t.false(existsSync(lock));
});

test("the lock is freed where the work fails, and waiting is told once", async (t) => {
  const lock = join(temporaryFolder(t), "lock");
  let told = 0;
  const failing = withLock(lock, async () => {
    await new Promise((resolve) => setTimeout(resolve, 500));
    throw new Error("no");
  });
  const next = withLock(
    lock,
    async () => "next",
    () => told++,
  );
  await t.throwsAsync(failing, { message: "no" });
  t.is(await next, "next");
  t.is(told, 1);
});
