/** Models of the hub, in the cache that Python's huggingface_hub shares. */
export { locate } from "./locate.js";
export { type Pulled, type PullOptions, pull } from "./pull.js";
export type { HubOptions } from "./settings.js";
