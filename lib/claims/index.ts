export type { Protocol, Seeded, Verdict } from "./claim.js";
export { CLAIMING, type ClaimsOptions, type ClaimsResult, tryClaims } from "./run.js";
export type { Interval } from "./statistics.js";
