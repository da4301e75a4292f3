/** Arguments that may be one or several. */
import { invalidArgument } from "../../core/errors.js";
import { Queries } from "./embeddings.js";

/** Texts to look for, or what was computed of them before. */
export type OwlViTQueries = readonly string[] | Queries;

export const isList = <T>(value: T | readonly T[]): value is readonly T[] => Array.isArray(value);

/** One or several as a list. Throws `BAD_INPUT` for an empty one. */
export function listOf<T>(value: T | readonly T[]): readonly T[] {
  const list = isList(value) ? value : [value];
  if (list.length === 0) throw invalidArgument("the images", "at least one", value);
  return list;
}

/** Lists of at most `batchSize`. */
export function batchesOf<T>(list: readonly T[], batchSize = 1): T[][] {
  if (!Number.isSafeInteger(batchSize) || batchSize < 1) {
    throw invalidArgument("batchSize", "a positive integer", batchSize);
  }
  const count = Math.ceil(list.length / batchSize);
  return Array.from({ length: count }, (_, batch) =>
    list.slice(batch * batchSize, (batch + 1) * batchSize),
  );
}

/** What is looked for in each of `count` images. */
export function perImage(
  queries: OwlViTQueries | readonly OwlViTQueries[],
  count: number,
): (image: number) => OwlViTQueries {
  if (queries instanceof Queries) return () => queries;
  if (!Array.isArray(queries) || queries.length === 0) {
    throw invalidArgument("the queries", "texts or embedded queries", queries);
  }
  const isOwn = (one: unknown) => one instanceof Queries || Array.isArray(one);
  if (!queries.some(isOwn)) return () => queries as readonly string[];
  const wrong = queries.findIndex((one) => !isOwn(one));
  if (wrong >= 0) {
    throw invalidArgument(`queries[${wrong}]`, "a list, as for other images,", queries[wrong]);
  }
  if (queries.length !== count) {
    throw invalidArgument("the queries", `a list for each of ${count} images`, queries);
  }
  return (image) => queries[image] as OwlViTQueries;
}
