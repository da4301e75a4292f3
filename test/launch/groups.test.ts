/** Ranks of launchers, started for real: each computes its part of one model. */
import { fileURLToPath } from "node:url";
import test from "ava";
import { allAgree, ENCODE, freePort, launch, needing, runCommand } from "./ranks.js";

const TWO_HOSTS = fileURLToPath(new URL("../../scripts/two_hosts.ts", import.meta.url));

const linux = process.platform === "linux" ? test : test.skip;
const withNamespaces = needing(process.execPath, "--import=tsx", TWO_HOSTS, "true");

for (const size of [1, 2, 4]) {
  linux(`torchsight launch, ${size} ranks: each has the whole result`, async (t) => {
    allAgree(t, await launch("--nproc", String(size), ENCODE), size);
  });
}

for (const ranks of [1, 2]) {
  linux(`4 processes as replicas of ${ranks} ranks`, async (t) => {
    const env = { RANKS_OF_A_MODEL: String(ranks) };
    const words = ["dist/cli/main.js", "launch", "--nproc", "4", ENCODE];
    allAgree(t, await runCommand(process.execPath, words, env), 4);
  });
}

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
