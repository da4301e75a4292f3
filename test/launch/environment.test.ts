/** Which group a program was started in, by the variables of each launcher. */
import test from "ava";
import { type LaunchedGroup, launchedGroup } from "../../lib/launch/environment.js";
import { expandHosts } from "../../lib/launch/hostlist.js";

type Variables = Record<string, string>;

const TORCHRUN: Variables = {
  RANK: "3",
  WORLD_SIZE: "4",
  LOCAL_RANK: "1",
  LOCAL_WORLD_SIZE: "2",
  GROUP_RANK: "1",
  MASTER_ADDR: "host0",
  MASTER_PORT: "29500",
  TORCHELASTIC_USE_AGENT_STORE: "True",
  TORCHELASTIC_RESTART_COUNT: "2",
  TORCHELASTIC_RUN_ID: "none",
};
const PYTORCH_JOB: Variables = {
  RANK: "1",
  WORLD_SIZE: "2",
  MASTER_ADDR: "job-master-0",
  MASTER_PORT: "23456",
  PET_NNODES: "2",
};
const SLURM: Variables = {
  SLURM_JOB_ID: "1234567",
  SLURM_STEP_ID: "0",
  SLURM_PROCID: "5",
  SLURM_NTASKS: "8",
  SLURM_LOCALID: "1",
  SLURM_JOB_NODELIST: "gpu[07-08,11],login1",
};
const OPEN_MPI: Variables = {
  OMPI_COMM_WORLD_RANK: "1",
  OMPI_COMM_WORLD_SIZE: "4",
  OMPI_COMM_WORLD_LOCAL_RANK: "1",
  MASTER_ADDR: "10.0.0.1",
  MASTER_PORT: "29501",
};
const HYDRA: Variables = {
  PMI_RANK: "0",
  PMI_SIZE: "2",
  MPI_LOCALRANKID: "0",
  MASTER_ADDR: "a",
  MASTER_PORT: "1",
};
const INDEXED_JOB: Variables = {
  JOB_COMPLETION_INDEX: "2",
  TORCHSIGHT_WORLD_SIZE: "3",
  MASTER_ADDR: "vit-0.vit",
  MASTER_PORT: "29500",
};

const whole: [string, Variables, LaunchedGroup][] = [
  [
    "torchrun",
    TORCHRUN,
    {
      launcher: "environment",
      rank: 3,
      size: 4,
      localRank: 1,
      master: { host: "host0", port: 29500 },
      agentStore: true,
      restarts: 2,
    },
  ],
  [
    "PyTorchJob, whose settings of torchrun do not matter beside RANK",
    PYTORCH_JOB,
    {
      launcher: "environment",
      rank: 1,
      size: 2,
      master: { host: "job-master-0", port: 23456 },
      agentStore: false,
    },
  ],
  [
    "srun",
    SLURM,
    {
      launcher: "slurm",
      rank: 5,
      size: 8,
      localRank: 1,
      master: { host: "gpu07", port: 12000 + (1234567 % 20000) },
    },
  ],
  [
    "srun with a part of the job's nodes, and a master of one's own",
    { ...SLURM, SLURM_STEP_NUM_TASKS: "6", SLURM_STEP_NODELIST: "gpu11", MASTER_PORT: "4000" },
    {
      launcher: "slurm",
      rank: 5,
      size: 6,
      localRank: 1,
      master: { host: "gpu11", port: 4000 },
    },
  ],
  [
    "srun with PMI, which tells the same",
    { ...SLURM, PMI_RANK: "5", PMI_SIZE: "8" },
    {
      launcher: "slurm",
      rank: 5,
      size: 8,
      localRank: 1,
      master: { host: "gpu07", port: 12000 + (1234567 % 20000) },
    },
  ],
  [
    "mpirun of Open MPI",
    OPEN_MPI,
    {
      launcher: "mpi",
      rank: 1,
      size: 4,
      localRank: 1,
      master: { host: "10.0.0.1", port: 29501 },
    },
  ],
  [
    "mpirun within a batch script of Slurm",
    { ...OPEN_MPI, SLURM_JOB_ID: "1", SLURM_NTASKS: "4", SLURM_PROCID: "0" },
    {
      launcher: "mpi",
      rank: 1,
      size: 4,
      localRank: 1,
      master: { host: "10.0.0.1", port: 29501 },
    },
  ],
  [
    "mpiexec of MPICH",
    HYDRA,
    { launcher: "mpi", rank: 0, size: 2, localRank: 0, master: { host: "a", port: 1 } },
  ],
  [
    "an Indexed Job",
    INDEXED_JOB,
    {
      launcher: "kubernetes",
      rank: 2,
      size: 3,
      localRank: 0,
      master: { host: "vit-0.vit", port: 29500 },
    },
  ],
];

for (const [name, variables, expected] of whole) {
  test(`${name}`, (t) => {
    t.deepEqual(launchedGroup(variables), expected);
    const host = { ...variables, GLOO_SOCKET_IFNAME: "eth1" };
    t.deepEqual(launchedGroup(host), { ...expected, host: "eth1" });
  });
}

test("no launcher is no group; empty variables are none", (t) => {
  t.is(launchedGroup({ PATH: "/bin", RANK: "", MASTER_ADDR: " " }), undefined);
});

test("the nearest launcher counts", (t) => {
  const nested = { ...INDEXED_JOB, ...OPEN_MPI };
  t.is(launchedGroup(nested)?.launcher, "mpi");
  t.is(launchedGroup({ ...nested, ...SLURM, ...TORCHRUN })?.launcher, "environment");
  t.is(launchedGroup({ ...INDEXED_JOB, ...SLURM })?.launcher, "slurm");
});

/** The variables without some of them, or with others. */
const without = (variables: Variables, ...names: string[]) =>
  Object.fromEntries(Object.entries(variables).filter(([name]) => !names.includes(name)));

const broken: [string, Variables, RegExp][] = [
  ["no RANK", without(TORCHRUN, "RANK"), /RANK to be set/],
  ["no WORLD_SIZE", without(TORCHRUN, "WORLD_SIZE"), /WORLD_SIZE to be set/],
  ["no MASTER_ADDR", without(TORCHRUN, "MASTER_ADDR"), /MASTER_ADDR to be set.*torchrun/],
  ["no MASTER_PORT", without(TORCHRUN, "MASTER_PORT"), /MASTER_PORT to be set/],
  ["LOCAL_RANK alone", { LOCAL_RANK: "0" }, /WORLD_SIZE to be set/],
  ["only a master", { MASTER_ADDR: "a", MASTER_PORT: "1" }, /MASTER_ADDR and MASTER_PORT is set/],
  ["settings of torchrun alone", { PET_NNODES: "2" }, /start the program with torchrun/],
  ["an agent of torchrun alone", { TORCHELASTIC_RUN_ID: "x" }, /start the program with torchrun/],
  ["a rank as large as the size", { ...TORCHRUN, RANK: "4" }, /RANK below WORLD_SIZE.*received 4/],
  ["a negative rank", { ...TORCHRUN, RANK: "-1" }, /whole number .* for RANK but received -1/],
  ["a rank that is no number", { ...TORCHRUN, RANK: "one" }, /RANK but received one/],
  ["a size of none", { ...TORCHRUN, WORLD_SIZE: "0" }, /WORLD_SIZE but received 0/],
  ["more local ranks than ranks", { ...TORCHRUN, LOCAL_WORLD_SIZE: "5" }, /LOCAL_WORLD_SIZE/],
  ["a local rank too large", { ...TORCHRUN, LOCAL_RANK: "2" }, /LOCAL_RANK below/],
  ["port 0", { ...TORCHRUN, MASTER_PORT: "0" }, /1\.\.65535 for MASTER_PORT but received 0/],
  ["a port too large", { ...TORCHRUN, MASTER_PORT: "65536" }, /MASTER_PORT but received 65536/],
  ["a port by name", { ...TORCHRUN, MASTER_PORT: "http" }, /MASTER_PORT but received http/],
  ["half a truth", { ...TORCHRUN, TORCHELASTIC_USE_AGENT_STORE: "yes" }, /True or False/],
  ["an allocation alone", without(SLURM, "SLURM_PROCID", "SLURM_STEP_ID"), /with srun/],
  ["a batch script", without(SLURM, "SLURM_STEP_ID"), /with srun/],
  ["a batch script's own step", { ...SLURM, SLURM_STEP_ID: "4294967291" }, /with srun/],
  ["a step without tasks", without(SLURM, "SLURM_NTASKS"), /SLURM_NTASKS to be set/],
  ["a step without a job", without(SLURM, "SLURM_JOB_ID"), /SLURM_JOB_ID to be set/],
  ["a step without nodes", without(SLURM, "SLURM_JOB_NODELIST"), /NODELIST to be set/],
  ["nodes that are no list", { ...SLURM, SLURM_JOB_NODELIST: "gpu[1-" }, /list of hosts/],
  ["a task too many", { ...SLURM, SLURM_PROCID: "8" }, /SLURM_PROCID below SLURM_NTASKS/],
  ["MPI without a master", without(OPEN_MPI, "MASTER_ADDR"), /MASTER_ADDR.*mpirun -x/],
  ["MPI without a port", without(OPEN_MPI, "MASTER_PORT"), /MASTER_PORT.*mpirun -x/],
  ["MPI without a size", without(OPEN_MPI, "OMPI_COMM_WORLD_SIZE"), /OMPI_COMM_WORLD_SIZE/],
  ["PMI without a rank", without(HYDRA, "PMI_RANK"), /PMI_RANK to be set/],
  ["two MPIs", { ...OPEN_MPI, PMI_RANK: "0", PMI_SIZE: "4" }, /OMPI_COMM_WORLD_RANK is 1 but PMI/],
  ["two sizes", { ...OPEN_MPI, PMI_RANK: "1", PMI_SIZE: "8" }, /SIZE is 4 but PMI_SIZE is 8/],
  ["mpirun within srun", { ...SLURM, ...OPEN_MPI }, /SLURM_PROCID is 5 but OMPI_COMM_WORLD_RANK/],
  ["a pod without a size", without(INDEXED_JOB, "TORCHSIGHT_WORLD_SIZE"), /WORLD_SIZE to be set/],
  ["a pod without a master", without(INDEXED_JOB, "MASTER_ADDR"), /Indexed Job needs/],
  ["a size without a pod", without(INDEXED_JOB, "JOB_COMPLETION_INDEX"), /JOB_COMPLETION_INDEX/],
  ["a pod too many", { ...INDEXED_JOB, JOB_COMPLETION_INDEX: "3" }, /JOB_COMPLETION_INDEX below/],
];

for (const [name, variables, message] of broken) {
  test(`${name}: refused at once`, (t) => {
    t.throws(() => launchedGroup(variables), { code: "RENDEZVOUS", message });
  });
}

test("lists of hosts", (t) => {
  t.deepEqual(expandHosts("a"), ["a"]);
  t.deepEqual(expandHosts("a,b-1,c.d"), ["a", "b-1", "c.d"]);
  t.deepEqual(expandHosts("n[08-11]"), ["n08", "n09", "n10", "n11"]);
  t.deepEqual(expandHosts("n[1,3-4]x,m[2]"), ["n1x", "n3x", "n4x", "m2"]);
  t.deepEqual(expandHosts("r[1-2]n[01-02]"), ["r1n01", "r1n02", "r2n01", "r2n02"]);
  for (const list of ["", ",", "a,,b", "n[", "n]", "n[1-]", "n[2-1]", "n[a]", "n[[1]]", "n[]"]) {
    t.throws(() => expandHosts(list), { code: "RENDEZVOUS", message: /list of hosts/ }, list);
  }
  t.throws(() => expandHosts("n[1-60000]m[1-60000]"), { code: "RENDEZVOUS" });
});
