/**
 * An Indexed Job of Kubernetes numbers its pods by `JOB_COMPLETION_INDEX` and tells no more: the
 * manifest must set `TORCHSIGHT_WORLD_SIZE` (its `completions`), `MASTER_ADDR` (the name of pod 0
 * under a headless service) and `MASTER_PORT`.
 */
import type { LaunchedGroup } from "./environment.js";
import { type Environment, MOST_RANKS, Variables } from "./variables.js";

/** The group of an Indexed Job, if this is a pod of one. Throws `RENDEZVOUS`. */
export function kubernetesGroup(env: Environment): LaunchedGroup | undefined {
  const variables = new Variables(
    env,
    "the Job's manifest",
    "an Indexed Job needs TORCHSIGHT_WORLD_SIZE, MASTER_ADDR and MASTER_PORT among its variables",
  );
  if (variables.set("JOB_COMPLETION_INDEX", "TORCHSIGHT_WORLD_SIZE").length === 0) return undefined;
  const size = variables.requiredNumber("TORCHSIGHT_WORLD_SIZE", 1, MOST_RANKS);
  const rank = variables.rank("JOB_COMPLETION_INDEX", size, "TORCHSIGHT_WORLD_SIZE");
  return { launcher: "kubernetes", rank, size, localRank: 0, master: variables.master() };
}
