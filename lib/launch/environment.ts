/**
 * Which group of processes a program was started in, read from the environment alone.
 *
 * A launcher starts the same program many times and tells each process its rank in variables. Those
 * of several launchers may be set at once, since they nest; the nearest one counts, in this order:
 *
 * 1. `RANK`, `WORLD_SIZE`, `LOCAL_RANK`, `MASTER_ADDR`, `MASTER_PORT`: torchrun, PyTorchJob,
 *    `torchsight launch`
 * 2. `SLURM_*`: srun
 * 3. `OMPI_COMM_WORLD_*`, `PMI_*`: mpirun, mpiexec
 * 4. `JOB_COMPLETION_INDEX`: an Indexed Job of Kubernetes
 *
 * A set that is not complete, or two that contradict each other, are `RENDEZVOUS` at once: a rank
 * that guesses is a rank that others wait for.
 */
import { kubernetesGroup } from "./kubernetes.js";
import { mpiGroup } from "./mpi.js";
import { outsideStep, slurmGroup } from "./slurm.js";
import { type Environment, MOST_RANKS, rendezvous, Variables } from "./variables.js";

/** What a launcher has told this process. */
export interface LaunchedGroup {
  /** Whose variables told it. */
  launcher: "environment" | "slurm" | "mpi" | "kubernetes";
  /** The number of this process among all, from 0. */
  rank: number;
  /** How many processes there are. */
  size: number;
  /** The number of this process on its machine, where the launcher tells. */
  localRank?: number;
  /** Where the ranks meet: a port on the machine of rank 0. */
  master: { host: string; port: number };
  /** Whether the launcher serves the store at the master itself, as torchrun's agent does. */
  agentStore?: boolean;
  /** The interface or address that this process is to listen on. */
  host?: string;
  /** How often the launcher has started the program before. */
  restarts?: number;
}

/**
 * The group that a launcher started this process in, or undefined where none did.
 *
 * @throws TorchsightError `RENDEZVOUS` where variables are missing, contradict each other or mean
 * nothing
 *
 * @example
 * ```ts
 * const group = launchedGroup();
 * if (group?.rank === 0) console.log(`${group.size} processes`);
 * ```
 */
export function launchedGroup(env: Environment = process.env): LaunchedGroup | undefined {
  const found = variableGroup(env) ?? clusterGroup(env) ?? kubernetesGroup(env);
  if (!found) {
    const left = new Variables(env, "", "").set("MASTER_ADDR", "MASTER_PORT");
    if (left.length === 0) return undefined;
    throw rendezvous(
      `${left.join(" and ")} is set but no rank and no size: ${STANDARD_REMEDY}, or unset it`,
    );
  }
  const host = new Variables(env, "", "").text("GLOO_SOCKET_IFNAME");
  return host === undefined ? found : { ...found, host };
}

/** srun and mpirun may be nested in either order: one is chosen only where they tell the same. */
function clusterGroup(env: Environment): LaunchedGroup | undefined {
  const mpi = mpiGroup(env);
  const slurm = slurmGroup(env);
  if (slurm && mpi) {
    Variables.agree(
      { name: "SLURM_PROCID", value: slurm.rank },
      { name: mpi.names.rank, value: mpi.rank },
    );
    Variables.agree(
      { name: "the number of Slurm's tasks", value: slurm.size },
      { name: mpi.names.size, value: mpi.size },
    );
  }
  if (slurm) return slurm;
  if (mpi) return mpi.group();
  if (outsideStep(env)) {
    throw rendezvous(
      "expected SLURM_PROCID and SLURM_STEP_ID of a task of Slurm but only its allocation is " +
        "told of: start the program with srun",
    );
  }
  return undefined;
}

const STANDARD_REMEDY =
  "set RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT together, or start the program with " +
  "torchrun --no-python or torchsight launch";

/** The variables that torchrun has made a standard. */
function variableGroup(env: Environment): LaunchedGroup | undefined {
  const variables = new Variables(env, "the launcher", STANDARD_REMEDY);
  if (variables.set("RANK", "WORLD_SIZE", "LOCAL_RANK").length === 0) {
    const elastic = variables.set("PET_NNODES", "PET_RDZV_ENDPOINT", "TORCHELASTIC_RUN_ID");
    if (elastic.length === 0) return undefined;
    throw rendezvous(
      `${elastic[0]} is set but not RANK: torchrun reads it, so start the program with ` +
        "torchrun --no-python",
    );
  }
  const size = variables.requiredNumber("WORLD_SIZE", 1, MOST_RANKS);
  const rank = variables.rank("RANK", size, "WORLD_SIZE");
  const localSize = variables.number("LOCAL_WORLD_SIZE", 1, size) ?? size;
  const localRank = variables.text("LOCAL_RANK")
    ? variables.rank("LOCAL_RANK", localSize, "LOCAL_WORLD_SIZE")
    : undefined;
  const restarts = variables.number("TORCHELASTIC_RESTART_COUNT", 0, MOST_RANKS);
  return {
    launcher: "environment",
    rank,
    size,
    ...(localRank !== undefined && { localRank }),
    master: variables.master(),
    agentStore: agentStore(variables),
    ...(restarts !== undefined && { restarts }),
  };
}

function agentStore(variables: Variables): boolean {
  const value = variables.text("TORCHELASTIC_USE_AGENT_STORE") ?? "False";
  if (value === "True" || value === "False") return value === "True";
  throw rendezvous(`expected True or False for TORCHELASTIC_USE_AGENT_STORE but received ${value}`);
}
