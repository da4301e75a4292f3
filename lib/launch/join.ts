/** The group of a launcher, as the option `group` of loading names it. */
import { invalidArgument } from "../core/errors.js";
import type { JoinRequest } from "../native/addon.js";
import { type LaunchedGroup, launchedGroup } from "./environment.js";
import { MOST_PORT, MOST_RANKS, rendezvous } from "./variables.js";

/** A group of processes that this one is a rank of. */
export interface LauncherGroup {
  /** The number of this process among all, from 0. */
  rank: number;
  /** How many processes there are. */
  size: number;
  /** The number of this process on its machine, which `cuda` takes a card by. Default: `rank`. */
  localRank?: number | undefined;
  /** Where the ranks meet: a port on the machine of rank 0, which listens there. */
  master: { host: string; port: number };
  /**
   * The interface or address of this machine that this rank listens on for the others. Default: the
   * way to the master, so loopback only where the master is.
   */
  host?: string | undefined;
  /** Milliseconds for all ranks to come. Default 30,000. */
  timeout?: number | undefined;
  /** Whether a store is served at `master` by the launcher itself, as torchrun's agent does. */
  agentStore?: boolean | undefined;
}

/** `"launcher"` takes what the environment tells; see `launchedGroup`. */
export type LaunchOption = "launcher" | LauncherGroup;

/** Whether a `group` of the options names processes of a launcher. */
export function isLaunchOption(group: unknown): group is LaunchOption {
  return group === "launcher" || (typeof group === "object" && group !== null);
}

/**
 * What loading tells the core of the group.
 *
 * @param together - ranks that compute one module; left out, all
 * @param alike - what must be the same on all ranks, by names that messages show
 * @throws TorchsightError `RENDEZVOUS` where the launcher's variables make no group, or its ranks
 * cannot be parted; `BAD_INPUT` for a group of wrong types
 */
export function joinRequest(
  option: LaunchOption,
  together: number | undefined,
  alike: Record<string, string>,
): JoinRequest {
  const group: Found = option === "launcher" ? found() : checked(option);
  const { rank, size, localRank, master, host, timeout, agentStore = false, restarts } = group;
  const ranks = together ?? size;
  if (size % ranks !== 0) {
    throw rendezvous(
      `expected a tensorParallel that divides the ${size} processes but received ${ranks}`,
    );
  }
  return {
    rank,
    size,
    ...(localRank !== undefined && { localRank }),
    together: ranks,
    ...master,
    serves: rank === 0 && !agentStore,
    ...(restarts !== undefined && { attempt: restarts }),
    ...(host !== undefined && { listen: host }),
    ...(timeout !== undefined && { timeout }),
    alike,
  };
}

type Found = LauncherGroup & Pick<LaunchedGroup, "restarts">;

function found(): Found {
  const group = launchedGroup();
  if (group) return group;
  throw rendezvous(
    "no launcher started this process: use torchsight launch, torchrun --no-python, srun or " +
      "mpirun, or give rank, size and master",
  );
}

function checked(group: LauncherGroup): LauncherGroup {
  const { rank, size, localRank, master, host, timeout, agentStore } = group;
  whole("group.size", size, 1, MOST_RANKS);
  whole("group.rank", rank, 0, size - 1);
  if (localRank !== undefined) whole("group.localRank", localRank, 0, size - 1);
  if (typeof master !== "object" || master === null || !name(master.host)) {
    throw invalidArgument("group.master", "{ host, port }", master);
  }
  whole("group.master.port", master.port, 1, MOST_PORT);
  if (host !== undefined && !name(host)) {
    throw invalidArgument("group.host", "an interface or an address", host);
  }
  if (timeout !== undefined) whole("group.timeout", timeout, 1, 2 ** 31 - 1);
  if (agentStore !== undefined && typeof agentStore !== "boolean") {
    throw invalidArgument("group.agentStore", "true or false", agentStore);
  }
  return group;
}

function name(value: unknown): boolean {
  return typeof value === "string" && value !== "";
}

function whole(what: string, value: unknown, least: number, most: number): void {
  if (Number.isInteger(value) && (value as number) >= least && (value as number) <= most) return;
  throw invalidArgument(what, `a whole number ${least}..${most}`, value);
}
