/** Ranks of launchers, started for real: each computes its part of one model. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import test from "ava";
import { temporary } from "../models/fixtures.js";
import { allAgree, ENCODE, freePort, launch, MAIN, needing, runCommand } from "./ranks.js";

/** An event of Chrome's trace format. */
interface TraceEvent {
  name: string;
  ph: string;
  pid: number;
  tid: number;
  args?: { name: string };
}

const LATE = fileURLToPath(new URL("programs/late.mjs", import.meta.url));
const TWO_HOSTS = fileURLToPath(new URL("../../scripts/two_hosts.ts", import.meta.url));

const linux = process.platform === "linux" ? test : test.skip;
const withNamespaces = needing(process.execPath, "--import=tsx", TWO_HOSTS, "true");

for (const size of [1, 2, 4]) {
  linux(`torchsight launch, ${size} ranks: each has the whole result`, async (t) => {
    allAgree(t, await launch("--nproc", String(size), ENCODE), size);
  });
}

for (const ranks of [1, 2]) {
  linux(`4 processes as replicas of ${ranks} ranks, a timeline of each replica`, async (t) => {
    const folder = temporary(t);
    const env = { RANKS_OF_A_MODEL: String(ranks), TRACES: folder };
    allAgree(
      t,
      await runCommand(process.execPath, [MAIN, "launch", "--nproc", "4", ENCODE], env),
      4,
    );
    for (let replica = 0; replica < 4 / ranks; replica += 1) {
      const text = readFileSync(join(folder, `${replica}.json`), "utf8");
      const { traceEvents } = JSON.parse(text) as { traceEvents: TraceEvent[] };
      const pids = Array.from({ length: ranks }, (_, rank) => replica * ranks + rank);
      t.deepEqual([...new Set(traceEvents.map(({ pid }) => pid))].sort(), pids);
      for (const pid of pids) {
        const mine = traceEvents.filter((event) => event.pid === pid);
        const blocks = mine.filter(({ name, ph }) => name === "block" && ph === "X");
        t.is(blocks.length, 3);
        const names = mine.filter(({ name }) => name === "process_name");
        t.true(names.length > 0 && names.every(({ args }) => args?.name === `rank ${pid}`));
        // Tracks are numbers, which have names.
        const { tid } = blocks[0]!;
        const track = mine.find((event) => event.name === "thread_name" && event.tid === tid);
        t.is(track?.args?.name, "blocks");
      }
    }
  });
}

linux("a rank that waits for a late one, or is read slowly, holds nothing up", async (t) => {
  const { code, stdout, stderr } = await launch("--nproc", "2", LATE, temporary(t));
  t.is(code, 0, stderr);
  const told = stdout.match(/\{.*?\}/g)?.map((line) => JSON.parse(line));
  t.deepEqual(
    told?.sort((a, b) => a.rank - b.rank),
    [
      { rank: 0, items: 12 },
      { rank: 1, items: 12 },
    ],
  );
});

/** The ranks of launchers that are not here, by what they would tell. */
const TOLD: Record<string, (rank: number, port: number) => NodeJS.ProcessEnv> = {
  slurm: (rank, port) => ({
    SLURM_JOB_ID: "77",
    SLURM_STEP_ID: "0",
    SLURM_PROCID: String(rank),
    SLURM_NTASKS: "2",
    SLURM_JOB_NODELIST: "localhost",
    MASTER_PORT: String(port),
  }),
  mpi: (rank, port) => ({
    PMI_RANK: String(rank),
    PMI_SIZE: "2",
    MASTER_ADDR: "localhost",
    MASTER_PORT: String(port),
  }),
  kubernetes: (rank, port) => ({
    JOB_COMPLETION_INDEX: String(rank),
    TORCHSIGHT_WORLD_SIZE: "2",
    MASTER_ADDR: "localhost",
    MASTER_PORT: String(port),
  }),
};

for (const [launcher, told] of Object.entries(TOLD)) {
  linux(`the variables of ${launcher} make a group`, async (t) => {
    const port = await freePort();
    const [first, second] = await Promise.all(
      [0, 1].map((rank) => runCommand(process.execPath, [ENCODE], told(rank, port))),
    );
    const both = allAgree(t, { ...first!, stdout: first!.stdout + second!.stdout }, 2);
    t.true(both.every((one) => one.launcher === launcher));
  });
}

withNamespaces("two hosts with a cable between them", async (t) => {
  const words = ["--import=tsx", TWO_HOSTS];
  allAgree(t, await runCommand(process.execPath, words), 2);
});

withNamespaces("two hosts: loopback is refused before anybody waits", async (t) => {
  const words = ["--import=tsx", TWO_HOSTS];
  const ran = await runCommand(process.execPath, words, { GLOO_SOCKET_IFNAME: "lo" });
  t.is(ran.code, 1);
  t.regex(ran.stderr, /\[host 1\] .*127\.0\.0\.1 is loopback: set GLOO_SOCKET_IFNAME/);
  t.true(ran.seconds < 15);
});
