/** What srun tells the tasks of a step. */
import type { LaunchedGroup } from "./environment.js";
import { firstHost } from "./hostlist.js";
import { type Environment, MOST_PORT, MOST_RANKS, Variables } from "./variables.js";

/** Ports that are derived from a job's number: below those that systems hand out by themselves. */
const FIRST_PORT = 12000;
const PORTS = 20000;
/** Keeps the steps of a job apart. */
const STEP_STRIDE = 7919;
/** Numbers from here on are not of steps that srun makes: the batch script is one of them. */
const SPECIAL_STEPS = 0xfffffff0;
const MOST_JOBS = 2 ** 32;

/** Whether this process is in an allocation, or its batch script, but in no step of it. */
export function outsideStep(env: Environment): boolean {
  const variables = new Variables(env, "srun", START);
  const { length } = variables.set("SLURM_JOB_ID", "SLURM_NTASKS", "SLURM_PROCID");
  return length > 0 && !inStep(variables);
}

const START = "start the program with srun";

/** The group of a step of Slurm, if this is a task of one. Throws `RENDEZVOUS`. */
export function slurmGroup(env: Environment): LaunchedGroup | undefined {
  const variables = new Variables(env, "srun", START);
  if (!inStep(variables)) return undefined;
  const sizeName = variables.text("SLURM_STEP_NUM_TASKS") ? "SLURM_STEP_NUM_TASKS" : "SLURM_NTASKS";
  const size = variables.requiredNumber(sizeName, 1, MOST_RANKS);
  const rank = variables.rank("SLURM_PROCID", size, sizeName);
  const job = variables.requiredNumber("SLURM_JOB_ID", 0, MOST_JOBS);
  const port = variables.number("MASTER_PORT", 1, MOST_PORT) ?? portOf(job, stepOf(variables)!);
  const localRank = variables.number("SLURM_LOCALID", 0, size - 1);
  return {
    launcher: "slurm",
    rank,
    size,
    ...(localRank !== undefined && { localRank }),
    master: { host: variables.text("MASTER_ADDR") ?? firstHost(nodesOf(variables)), port },
  };
}

/** A batch script has a task's variables too, though nobody started the other tasks. */
function inStep(variables: Variables): boolean {
  const step = stepOf(variables);
  return variables.text("SLURM_PROCID") !== undefined && step !== undefined && step < SPECIAL_STEPS;
}

function stepOf(variables: Variables): number | undefined {
  return variables.number("SLURM_STEP_ID", 0, MOST_JOBS);
}

/** Rank 0 runs on the first node of the step, which need not be the first of the job. */
function nodesOf(variables: Variables): string {
  return variables.text("SLURM_STEP_NODELIST") ?? variables.required("SLURM_JOB_NODELIST");
}

/** The port at which the ranks of a step meet: the same on all, another for most other jobs. */
function portOf(job: number, step: number): number {
  return FIRST_PORT + ((job + STEP_STRIDE * step) % PORTS);
}
