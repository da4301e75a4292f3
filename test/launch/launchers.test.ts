/** Ranks of the launchers of others, started by them for real where they are here. */
import { allAgree, ENCODE, freePort, needing, runCommand } from "./ranks.js";

const withTorchrun = needing("python3", "-c", "import torch.distributed.run");
const withMpirun = needing("mpirun", "--version");

const torchrun = (...words: string[]) => ["-m", "torch.distributed.run", ...words, "--no-python"];
const program = [process.execPath, ENCODE];

withTorchrun("torchrun: its agent serves the store", async (t) => {
  const args = [...torchrun("--standalone", "--nproc-per-node", "2"), ...program];
  const told = allAgree(t, await runCommand("python3", args), 2);
  t.true(told.every(({ launcher, restarts }) => launcher === "environment" && restarts === 0));
});

withTorchrun(
  "torchrun starts all ranks anew after a failure, though they had begun to meet",
  async (t) => {
    const words = torchrun("--standalone", "--nproc-per-node", "2", "--max-restarts", "1");
    const told = allAgree(
      t,
      await runCommand("python3", [...words, ...program], { FAIL_FIRST: "1" }),
      2,
    );
    t.true(told.every(({ restarts }) => restarts === 1));
  },
);

withTorchrun("torchrun, two agents as on two machines", async (t) => {
  const port = await freePort();
  const agents = [0, 1].map((node) => {
    const words = ["--nnodes", "2", "--node-rank", String(node), "--nproc-per-node", "1"];
    const master = ["--master-addr", "127.0.0.1", "--master-port", String(port)];
    return runCommand("python3", [...torchrun(...words, ...master), ...program]);
  });
  const [first, second] = await Promise.all(agents);
  allAgree(t, { ...first!, stdout: first!.stdout + second!.stdout }, 2);
});

withMpirun("mpirun of Open MPI", async (t) => {
  const master = ["-x", "MASTER_ADDR=127.0.0.1", "-x", `MASTER_PORT=${await freePort()}`];
  const args = ["-np", "2", "--oversubscribe", ...master, ...program];
  // It refuses to run as root, as in containers, unless it is told twice.
  const env = { OMPI_ALLOW_RUN_AS_ROOT: "1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM: "1" };
  const told = allAgree(t, await runCommand("mpirun", args, env), 2);
  t.true(told.every(({ launcher }) => launcher === "mpi"));
});
