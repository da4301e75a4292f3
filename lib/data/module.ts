/** Data sets and transforms that users bring as modules. */
import { invalidArgument, TorchsightError } from "../core/errors.js";
import type { Dataset, ModuleSource } from "./dataset.js";

type Maker = (options: unknown) => unknown;

/**
 * The function that a module exports. Throws `NOT_FOUND` where the module cannot be imported or has
 * no such export.
 */
export async function importFunction({
  url,
  name = "default",
}: Pick<ModuleSource, "url" | "name">): Promise<Maker> {
  let exported: unknown;
  try {
    exported = ((await import(String(url))) as Record<string, unknown>)[name];
  } catch (cause) {
    const message = `the module ${url} cannot be imported: ${(cause as Error).message}`;
    throw new TorchsightError("NOT_FOUND", message, { cause });
  }
  if (typeof exported === "function") return exported as Maker;
  throw new TorchsightError("NOT_FOUND", `the module ${url} exports no function ${name}`);
}

/** Opens a user's data set. Throws `BAD_INPUT` where it is none. */
export async function openModule(source: ModuleSource): Promise<Dataset> {
  const dataset = (await (await importFunction(source))(source.options)) as Dataset;
  const { length } = dataset ?? {};
  if (!(length >= 1) || (Number.isFinite(length) && !Number.isSafeInteger(length))) {
    throw invalidArgument(`the length of ${source.url}`, "a whole number above 0", length);
  }
  if (typeof dataset.sample === "function") return dataset;
  throw invalidArgument(`sample of ${source.url}`, "a function", dataset.sample);
}
