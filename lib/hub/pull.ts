/** Brings a model from the hub into the cache. */
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { checkWholeNumber } from "../core/checks.js";
import { type ComposeControl, composeJob } from "../core/compose.js";
import { invalidArgument, TorchsightError } from "../core/errors.js";
import {
  completeSnapshot,
  type HubName,
  hubCache,
  INDEX_FILE,
  isRevision,
  missingWeights,
  parseHubName,
  snapshotOf,
} from "../core/hub-cache.js";
import type { Job, Progress } from "../core/job.js";
import { HubClient, type HubFile } from "./client.js";
import { asyncPart } from "./part.js";
import { filesNamed, loadable, withShards } from "./select.js";
import { type HubOptions, isOffline } from "./settings.js";
import { Store } from "./store.js";

/** What is brought, and from where. */
export interface PullOptions extends HubOptions, ComposeControl {
  /** A branch, a tag, `refs/pr/N` or a commit. Default `main`. */
  revision?: string | undefined;
  /** Makes no request and takes what the cache has. `HF_HUB_OFFLINE` says so as well. */
  localFilesOnly?: boolean | undefined;
  /** Names of the files to bring in place of those that a model is loaded from. */
  files?: readonly string[] | undefined;
}

/** A model in the cache. */
export interface Pulled {
  /** The folder to load it from. */
  path: string;
  /** Names of its files in that folder. */
  files: string[];
}

/**
 * Brings a model from the hub into the cache, which Python's huggingface_hub shares: its config,
 * its processor and tokenizer, and its weights as safetensors. What is there already is not brought
 * again, and a download that was cut off or cancelled goes on where it ended. `load` finds the
 * model by its name afterwards. Progress is in bytes.
 *
 * The job rejects with `NOT_FOUND` where the hub or the model cannot be reached (`reason` tells
 * why), `UNSUPPORTED` for a model without safetensors, `BAD_CHECKPOINT` for content that is not
 * what the hub announced, and `BAD_INPUT` for a cache that cannot be written.
 *
 * @param name - `org/name` or `org/name@revision`
 *
 * @example
 * ```ts
 * const { path } = await pull("google/owlvit-base-patch32", {
 *   onProgress: ({ done, total }) => console.error(`${done} of ${total} bytes`),
 * });
 * ```
 */
export function pull(name: string, options: PullOptions = {}): Job<Pulled> {
  return composeJob(options, async (steps) => {
    const hub = hubNameOf(name, options);
    checkOptions(options);
    if (options.localFilesOnly || isOffline()) return cached(hub, options);
    try {
      return await steps.run(
        asyncPart(steps.control, (signal, tell) => fetched(hub, options, signal, tell)),
      );
    } catch (error) {
      steps.check();
      throw typed(error);
    }
  });
}

async function fetched(
  hub: HubName,
  options: PullOptions,
  signal: AbortSignal,
  tell: (progress: Progress) => void,
): Promise<Pulled> {
  const client = new HubClient(hub, options, signal);
  tell({ done: 0, total: 0, phase: "listing" });
  const commit = await client.commit();
  const folders = options.files?.some((name) => name.includes("/")) ?? false;
  const listed = await client.files(commit, { folders });
  const store = new Store(hub.name, commit);
  const obtain = (file: HubFile, told: (bytes: number) => void): Promise<string> =>
    store.obtain(file, {
      open: (first) => client.open(file, commit, first),
      patience: () => client.patience(),
      signal,
      told,
    });

  let chosen = options.files
    ? filesNamed(options.files, listed, hub)
    : loadable(listed, hub, client.endpoint);
  const index = chosen.at(-1);
  if (!options.files && index?.path === INDEX_FILE) {
    const content = await obtain(index, () => {});
    chosen = withShards(chosen, content, listed, hub);
  }
  const total = chosen.reduce((sum, { bytes }) => sum + bytes, 0);
  let whole = 0;
  let done = 0;
  for (const file of chosen) {
    await obtain(file, (bytes) => {
      // A file that begins anew does not turn the progress back.
      done = Math.max(done, whole + bytes);
      tell({ done, total, phase: file.path });
    });
    await store.add(file);
    whole += file.bytes;
  }
  // A revision stands for a commit once all of it is there; single files replace no whole model.
  if (!options.files || !isWhole(snapshotOf(hub))) await store.name(hub.revision);
  return { path: store.snapshot, files: chosen.map(({ path }) => path) };
}

/** What the cache has. Throws `NOT_FOUND`. */
function cached(hub: HubName, { files }: PullOptions): Pulled {
  if (!files) {
    const path = required(hub);
    return { path, files: readdirSync(path).sort() };
  }
  const path = snapshotOf(hub);
  const absent = files.find((name) => path === undefined || !existsSync(join(path, name)));
  if (path !== undefined && absent === undefined) return { path, files: [...files] };
  const message = `the hub's cache has no ${absent} of ${hub.name}, and no request may be made`;
  throw new TorchsightError("NOT_FOUND", message, { reason: "NOT_CACHED" });
}

function isWhole(snapshot: string | undefined): boolean {
  return snapshot !== undefined && missingWeights(snapshot).length === 0;
}

function required(hub: HubName): string {
  try {
    return completeSnapshot(hub);
  } catch (error) {
    if (!(error instanceof TorchsightError) || error.code !== "NOT_FOUND") throw error;
    const condition = isOffline() ? "HF_HUB_OFFLINE is unset" : "localFilesOnly is left out";
    const { message, reason } = error;
    throw new TorchsightError("NOT_FOUND", `${message}, once ${condition}`, { reason });
  }
}

function hubNameOf(text: string, { revision }: PullOptions): HubName {
  const hub = typeof text === "string" ? parseHubName(text) : undefined;
  if (!hub) throw invalidArgument("the model", "org/name or org/name@revision", text);
  if (revision === undefined) return hub;
  const clash = text.includes("@") && hub.revision !== revision;
  if (typeof revision === "string" && isRevision(revision) && !clash) return { ...hub, revision };
  throw invalidArgument("revision", clash ? hub.revision : "a branch, tag or commit", revision);
}

function checkOptions({ retries, files }: PullOptions): void {
  checkWholeNumber("retries", retries, 0);
  if (files === undefined) return;
  if (!Array.isArray(files) || files.length === 0) {
    throw invalidArgument("files", "names of files", files);
  }
  for (const name of files as unknown[]) {
    // Neither absolute nor with a part that is empty or leads up, as POSIX and Windows read it.
    if (typeof name === "string" && /^(?!.*(^|\/)\.{0,2}(\/|$))[^\\:]+$/.test(name)) continue;
    throw invalidArgument("files", "names of files of the model", name);
  }
}

/** Failures of the file system as errors of the package. */
function typed(error: unknown): TorchsightError {
  if (error instanceof TorchsightError) return error;
  const { code, syscall, message } = error as NodeJS.ErrnoException;
  if (syscall === undefined) {
    return new TorchsightError("INTERNAL", message || String(error), { cause: error });
  }
  return new TorchsightError(
    "BAD_INPUT",
    `the hub's cache (${hubCache()}) cannot be written (${message}): set HF_HUB_CACHE to a ` +
      "folder that can be, on a disk with room",
    { reason: code, cause: error },
  );
}
