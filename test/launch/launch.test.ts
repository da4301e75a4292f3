/** `torchsight launch`: what it starts, writes, ends and returns. */
import { spawn } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import test from "ava";
import { temporary } from "../models/fixtures.js";
import { launch, MAIN, runCommand } from "./ranks.js";

const posix = process.platform === "win32" ? test.serial.skip : test.serial;

/** Whether a process is there, be it as a zombie. */
function lives(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ENOENT";
  }
}

async function until(what: () => boolean, milliseconds = 8000): Promise<boolean> {
  const end = performance.now() + milliseconds;
  while (!what() && performance.now() < end) await sleep(20);
  return what();
}

posix("ranks find the variables of torchrun, and share the processor", async (t) => {
  const program =
    "echo $RANK $WORLD_SIZE $LOCAL_RANK $LOCAL_WORLD_SIZE $MASTER_ADDR; " +
    "echo $MASTER_PORT $OMP_NUM_THREADS >&2";
  const { code, stdout, stderr } = await launch("--nproc", "2", "--", "sh", "-c", program);
  t.is(code, 0);
  t.deepEqual(stdout.trimEnd().split("\n").sort(), [
    "[0] 0 2 0 2 127.0.0.1",
    "[1] 1 2 1 2 127.0.0.1",
  ]);
  const [first, second] = stderr.trimEnd().split("\n").sort();
  t.regex(first!, /^\[0\] \d+ [1-9]\d*$/);
  t.is(second, first!.replace("[0]", "[1]"));
});

posix(
  "variables of the caller go to all ranks; the agent of a torchrun around it does not",
  async (t) => {
    const env = {
      OMP_NUM_THREADS: "3",
      TORCHELASTIC_USE_AGENT_STORE: "True",
      MASTER_PORT: "1",
      ROLE_OF_MINE: "cook",
    };
    const program = 'echo "$OMP_NUM_THREADS $TORCHELASTIC_USE_AGENT_STORE $ROLE_OF_MINE"';
    const words = [MAIN, "launch", "--nproc", "1", "sh", "-c", program];
    const { stdout } = await runCommand(process.execPath, words, env);
    t.is(stdout, "[0] 3  cook\n");
  },
);

posix("output comes line by line, whole, with an end", async (t) => {
  // However late rank 1 is started: the rest of the line waits until it has spoken.
  const spoken = join(temporary(t), "spoken");
  const program =
    'if [ $RANK = 0 ]; then printf "gr\\303"; until [ -e "$0" ]; do sleep 0.01; done; ' +
    'printf "\\274n\\r\\n\\nlast"; else echo between; sleep 0.2; : > "$0"; fi';
  const { stdout } = await launch("--nproc", "2", "--", "sh", "-c", program, spoken);
  t.is(stdout, "[1] between\n[0] grün\n[0] \n[0] last\n");
});

posix("nothing of much output is lost", async (t) => {
  const { stdout } = await launch("--nproc", "3", "--", "seq", "1", "30000");
  const lines = stdout.trimEnd().split("\n");
  t.is(lines.length, 90_000);
  for (const rank of [0, 1, 2]) {
    const mine = lines.filter((line) => line.startsWith(`[${rank}] `));
    t.true(mine.every((line, index) => line === `[${rank}] ${index + 1}`));
  }
});

test("scripts run under this Node", async (t) => {
  const folder = temporary(t);
  const script = join(folder, "program.mjs");
  writeFileSync(script, "console.log(process.version, process.argv[2]);\nprocess.exit(4);\n");
  const { code, stdout, stderr } = await launch("--nproc", "1", script, "--help");
  t.is(code, 4);
  t.is(stdout, `[0] ${process.version} --help\n`);
  t.is(stderr, "RANK_FAILED: rank 0 exited with 4\n");

  const typed = join(folder, "program.mts");
  writeFileSync(typed, "const answer: number = 42;\nconsole.log(answer);\n");
  const words = ["--import=tsx", MAIN, "launch", "--nproc", "1", typed];
  t.is((await runCommand(process.execPath, words)).stdout, "[0] 42\n");
});

posix(
  "the first failure is the exit code, and ends the others and what they started",
  async (t) => {
    const pids = join(temporary(t), "pids");
    const program =
      `if [ $RANK = 1 ]; then sleep 0.4; exit 7; fi; sleep 60 & echo $! >> ${pids}; ` +
      `echo $$ >> ${pids}; wait`;
    const { code, stderr, seconds } = await launch("--nproc", "3", "--", "sh", "-c", program);
    t.is(code, 7);
    t.is(stderr, "RANK_FAILED: rank 1 exited with 7\n");
    t.true(seconds < 3, `${seconds} s`);
    for (const pid of readFileSync(pids, "utf8").trim().split("\n").map(Number)) {
      t.false(lives(pid), `${pid}`);
    }
  },
);

posix("ranks that do not listen are ended by force within 5 seconds", async (t) => {
  const program = 'if [ $RANK = 1 ]; then exit 9; fi; trap "" TERM INT; while :; do sleep 1; done';
  const { code, seconds } = await launch("--nproc", "2", "--", "sh", "-c", program);
  t.is(code, 9);
  t.true(seconds > 2.5 && seconds < 5, `${seconds} s`);
});

posix("a rank that a signal ended is 128 and the signal", async (t) => {
  const { code, stderr } = await launch("--nproc", "2", "--", "sh", "-c", "kill -SEGV $$");
  t.is(code, 139);
  t.regex(stderr, /RANK_FAILED: rank [01] was ended by SIGSEGV\n$/);
});

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  posix(`${signal} is passed on, and the ranks may end in their way`, async (t) => {
    const trap = `trap "echo told; exit 0" ${signal.slice(3)}`;
    const program = `${trap}; echo ready; while :; do sleep 0.1; done`;
    const words = [MAIN, "launch", "--nproc", "2", "--", "sh", "-c", program];
    const { code, stdout, seconds } = await runCommand(process.execPath, words, {}, (child) => {
      let text = "";
      child.stdout?.on("data", (data: string) => {
        text += data;
        if (text === "[0] ready\n[1] ready\n" || text === "[1] ready\n[0] ready\n") {
          child.kill(signal);
        }
      });
    });
    t.is(code, 130);
    t.is(stdout.split("told").length, 3);
    t.true(seconds < 4);
  });
}

posix("nothing outlives a launcher that was killed", async (t) => {
  const pids = join(temporary(t), "pids");
  const program = `sleep 60 & echo $! $$ >> ${pids}; wait`;
  const child = spawn(process.execPath, [MAIN, "launch", "--nproc", "2", "sh", "-c", program]);
  const started = () => existsSync(pids) && readFileSync(pids, "utf8").match(/\d+/g)?.length === 4;
  t.true(await until(started));
  await sleep(100);
  child.kill("SIGKILL");
  const all = readFileSync(pids, "utf8").match(/\d+/g)!.map(Number);
  t.true(await until(() => all.every((pid) => !lives(pid))));
});

posix("--json: a line for each line, and how the ranks ended", async (t) => {
  const { code, stdout } = await launch("--json", "--nproc", "2", "--", "sh", "-c", "echo a b");
  t.is(code, 0);
  const documents = stdout
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
  t.deepEqual(
    documents.slice(0, 2).sort((a, b) => a.rank - b.rank),
    [
      { rank: 0, line: "a b" },
      { rank: 1, line: "a b" },
    ],
  );
  t.deepEqual(
    documents[2].ranks.map(({ code: one, signal }: { code: number; signal: null }) => [
      one,
      signal,
    ]),
    [
      [0, null],
      [0, null],
    ],
  );
  const failed = await launch("--json", "--nproc", "1", "--", "sh", "-c", "exit 6");
  t.is(failed.code, 6);
  t.deepEqual(JSON.parse(failed.stdout), {
    error: { code: "RANK_FAILED", message: "rank 0 exited with 6" },
  });
});

test("wrong usage", async (t) => {
  for (const [words, message] of [
    [["true"], "USAGE: missing --nproc"],
    [["--nproc", "2"], "USAGE: expected a program to start but received none"],
    [["--nproc", "0", "true"], "USAGE: expected a whole number 1..1024 for --nproc but received 0"],
  ] as const) {
    const { code, stderr } = await launch(...words);
    t.is(code, 2);
    t.is(stderr.trimEnd(), message);
  }
  const { code, stderr } = await launch("--nproc", "2", "no-such-program");
  t.is(code, 1);
  t.regex(stderr, /^NOT_FOUND: expected a program .* no-such-program/);
});
