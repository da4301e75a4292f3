/** Verifies a model of the hub against what others have published of it. */
import { basename } from "node:path";
import { composeJob, type Steps } from "../core/compose.js";
import { TorchsightError } from "../core/errors.js";
import { snapshotOf } from "../core/hub-cache.js";
import type { Job } from "../core/job.js";
import { locate, type PullOptions } from "../hub/index.js";
import { asyncPart } from "../hub/part.js";
import { isOffline } from "../hub/settings.js";
import type { RawImage } from "../media/image.js";
import type { Check } from "./checks.js";
import { knownPicture } from "./picture.js";
import type { Subject, SubjectOptions } from "./subject.js";
import { subjects } from "./table.js";

/** What is verified, and how it runs. */
export interface VerifyOptions extends Omit<PullOptions, "files">, SubjectOptions {
  /** A file with the picture that the values are of. Default: it is fetched, once. */
  image?: string | undefined;
}

/** What came of it. */
export interface Verification {
  name: string;
  /** The commit that was verified; absent for a folder that stands at the path `name`. */
  revision?: string;
  checks: Check[];
  /** Whether all checks hold. */
  holds: boolean;
}

/**
 * Computes the published values of a model, which is brought from the hub first where the cache
 * lacks it, and compares. Values that do not hold are results, not failures.
 *
 * The job rejects with `NOT_FOUND` for a model of which no values are published, and where the
 * model or the picture cannot be had; else as `pull` and `load` do.
 *
 * @param name - `org/name`
 */
export function verify(name: string, options: VerifyOptions = {}): Job<Verification> {
  const { revision, localFilesOnly = false, device, dtype, threads, isolate } = options;
  const { endpoint, token, fetch, retries } = options;
  return composeJob(options, async (steps) => {
    const subject = subjectOf(name);
    // Before the model, which is a thousand times as large.
    const picture = await pictureOf(subject, options, steps);
    const hub = { revision, localFilesOnly, endpoint, token, fetch, retries };
    const folder = await steps.run(locate(name, { ...hub, ...steps.control }));
    const checks = await subject.check(folder, picture, { device, dtype, threads, isolate }, steps);
    const isSnapshot = folder === snapshotOf({ name, revision: revision ?? "main" });
    return {
      name,
      ...(isSnapshot && { revision: basename(folder) }),
      checks,
      holds: checks.every(({ holds }) => holds),
    };
  });
}

async function pictureOf(
  { picture }: Subject,
  { image, localFilesOnly = false }: VerifyOptions,
  steps: Steps,
): Promise<RawImage> {
  const source = { file: image, offline: localFilesOnly || isOffline() };
  try {
    return await steps.run(
      asyncPart(steps.control, (signal) => knownPicture(picture, source, signal)),
    );
  } catch (error) {
    // A request that was aborted does not tell by what.
    steps.check();
    throw error;
  }
}

function subjectOf(name: string): Subject {
  const subject = Object.hasOwn(subjects, name) ? subjects[name] : undefined;
  if (subject) return subject;
  const known = Object.keys(subjects).join(", ");
  throw new TorchsightError(
    "NOT_FOUND",
    `there are no published values of ${name}, but of ${known}`,
  );
}
