/** Which files of a model are needed. */
import { TorchsightError } from "../core/errors.js";
import {
  BESIDE_WEIGHTS,
  type HubName,
  INDEX_FILE,
  shardNames,
  WEIGHTS_FILE,
} from "../core/hub-cache.js";
import type { HubFile } from "./client.js";

/**
 * The files to load a model from, the weights last: an index stands for its shards, which
 * {@link withShards} adds. Throws `UNSUPPORTED` for a model without safetensors.
 */
export function loadable(files: readonly HubFile[], hub: HubName, endpoint: string): HubFile[] {
  const named = (name: string) => files.find(({ path }) => path === name);
  const weights = named(WEIGHTS_FILE) ?? named(INDEX_FILE);
  if (weights) return [...BESIDE_WEIGHTS.flatMap((name) => named(name) ?? []), weights];
  const { name, revision } = hub;
  throw new TorchsightError(
    "UNSUPPORTED",
    `${name} has no ${WEIGHTS_FILE} at the revision ${revision}, and weights in other formats ` +
      `are not read. Where ${endpoint}/${name}/discussions offers a conversion to safetensors, ` +
      `pull that: \`npx torchsight pull ${name} --revision refs/pr/NUMBER\``,
    { reason: "NO_SAFETENSORS" },
  );
}

/** The files of these names. Throws `NOT_FOUND` for one that the model has not. */
export function filesNamed(
  names: readonly string[],
  files: readonly HubFile[],
  { name, revision }: HubName,
): HubFile[] {
  return names.map((wanted) => {
    const file = files.find(({ path }) => path === wanted);
    if (file) return file;
    const message = `${name} has no file ${wanted} at the revision ${revision}`;
    throw new TorchsightError("NOT_FOUND", message, { reason: "NO_SUCH_FILE" });
  });
}

/**
 * The files, and the shards of the index before it: a snapshot with an index is whole.
 *
 * @param index - the path of the index's content
 */
export function withShards(
  chosen: readonly HubFile[],
  index: string,
  files: readonly HubFile[],
  { name }: HubName,
): HubFile[] {
  const what = `${INDEX_FILE} of ${name}`;
  const shards = shardNames(index, what).map((shard) => {
    const file = files.find(({ path }) => path === shard);
    if (file) return file;
    throw new TorchsightError(
      "BAD_CHECKPOINT",
      `expected the files that ${what} names but there is no ${shard}`,
      { reason: "MISSING_SHARD" },
    );
  });
  return [...chosen.slice(0, -1), ...shards, ...chosen.slice(-1)];
}
