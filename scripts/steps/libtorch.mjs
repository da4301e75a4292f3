// libtorch: the one that is named, or the cache's, or fetched into the cache.
import { fetchLibtorch } from "../../lib/install/fetch.js";
import { findLibtorch, requireLibtorch } from "../../lib/install/libtorch.js";
import { log } from "../shared.mjs";

export async function provideLibtorch() {
  if (!findLibtorch()) log(`libtorch is in ${await fetchLibtorch({ log })}`);
  return requireLibtorch();
}
