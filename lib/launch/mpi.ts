/** What mpirun and mpiexec tell: Open MPI by `OMPI_COMM_WORLD_*`, MPICH and its kin by `PMI_*`. */
import type { LaunchedGroup } from "./environment.js";
import { type Environment, MOST_RANKS, Variables } from "./variables.js";

const OPEN_MPI = {
  rank: "OMPI_COMM_WORLD_RANK",
  size: "OMPI_COMM_WORLD_SIZE",
  local: "OMPI_COMM_WORLD_LOCAL_RANK",
};
const PMI = { rank: "PMI_RANK", size: "PMI_SIZE", local: "MPI_LOCALRANKID" };

/** The ranks that an MPI launcher told of; MPI itself tells of no port to meet at. */
export interface MpiRanks {
  rank: number;
  size: number;
  names: { rank: string; size: string };
  group(): LaunchedGroup;
}

/** The ranks of an MPI launcher, if one started this process. Throws `RENDEZVOUS`. */
export function mpiGroup(env: Environment): MpiRanks | undefined {
  const open = ranksOf(env, OPEN_MPI);
  const pmi = ranksOf(env, PMI);
  if (open && pmi) {
    for (const key of ["rank", "size"] as const) {
      const told = (one: MpiRanks) => ({ name: one.names[key], value: one[key] });
      Variables.agree(told(open), told(pmi));
    }
  }
  return open ?? pmi;
}

function ranksOf(env: Environment, names: typeof PMI): MpiRanks | undefined {
  const variables = new Variables(
    env,
    "mpirun",
    "MPI tells of no place to meet: pass a machine and a port, e.g. " +
      "mpirun -x MASTER_ADDR=host0 -x MASTER_PORT=29500",
  );
  if (variables.set(names.rank, names.size).length === 0) return undefined;
  const size = variables.requiredNumber(names.size, 1, MOST_RANKS);
  const rank = variables.rank(names.rank, size, names.size);
  const localRank = variables.number(names.local, 0, size - 1);
  const group = (): LaunchedGroup => ({
    launcher: "mpi",
    rank,
    size,
    ...(localRank !== undefined && { localRank }),
    master: variables.master(),
  });
  return { rank, size, names, group };
}
