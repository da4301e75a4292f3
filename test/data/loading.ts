/** What tests of loaders share. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  DataLoader,
  type DataLoaderOptions,
  type DatasetSource,
  type Transform,
} from "../../lib/data/index.js";
import type { Loader } from "../../lib/train/loader.js";
import type { OwnOptions } from "./own_data.js";

const OWN = new URL("./own_data.ts", import.meta.url);

/** A user's data set; see `own_data.ts`. */
export function own(options: OwnOptions): DatasetSource {
  return { kind: "module", url: OWN, options };
}

/** Gives the indices of a user's data set, and random numbers. */
export const TELLING: readonly Transform[] = [
  { kind: "module", url: OWN, name: "telling", options: { times: 1 } },
];

/** A loader of a user's data set whose batches tell what is in them. */
export async function ownLoader(
  options: OwnOptions,
  loading: Partial<DataLoaderOptions> = {},
): Promise<DataLoader> {
  return await DataLoader.open(own(options), { batch: 4, transforms: TELLING, ...loading });
}

/** The elements of batches, at most `count`, by name. */
export async function taken(loader: Loader, count = Number.POSITIVE_INFINITY) {
  const batches: Record<string, number[]>[] = [];
  if (count === 0) return batches;
  for await (const batch of loader) {
    const elements: Record<string, number[]> = {};
    for (const [name, tensor] of Object.entries(batch)) {
      elements[name] = Array.from((await tensor.data()) as ArrayLike<number | bigint>, Number);
      tensor.dispose();
    }
    batches.push(elements);
    if (batches.length === count) break;
  }
  return batches;
}

/** The indices in batches of {@link ownLoader}. */
export async function indicesOf(loader: Loader, count?: number): Promise<number[][]> {
  return (await taken(loader, count)).map(({ told = [] }) => told.filter((_, at) => at % 2 === 0));
}

const folders: string[] = [];
process.once("exit", () => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

/** A folder that is gone when this process ends. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "torchsight-data-"));
  folders.push(folder);
  return folder;
}
