import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { resolveModel } from "../core/checkpoint.js";
import { composeJob, withoutControl } from "../core/compose.js";
import { TorchsightError } from "../core/errors.js";
import { parseHubName } from "../core/hub-cache.js";
import type { Job } from "../core/job.js";
import { type PullOptions, pull } from "./pull.js";

/**
 * The path of a model: a path as it stands, a name in the package's assets, or the folder of
 * `org/name` in the hub's cache. With `localFilesOnly: false`, what the cache lacks is brought as
 * {@link pull} does; otherwise the job rejects with `NOT_FOUND` and makes no request.
 */
export function locate(pathOrName: string, options: PullOptions = {}): Job<string> {
  const { revision, localFilesOnly = true } = options;
  return composeJob(options, async (steps) => {
    const plain = revision === undefined || existsSync(resolve(pathOrName));
    try {
      return resolveModel(plain ? pathOrName : `${pathOrName}@${revision}`);
    } catch (error) {
      const absent = error instanceof TorchsightError && error.code === "NOT_FOUND";
      if (!absent || localFilesOnly || !parseHubName(pathOrName)) throw error;
    }
    const { path } = await steps.run(
      pull(pathOrName, { ...withoutControl(options), ...steps.control }),
    );
    return path;
  });
}
