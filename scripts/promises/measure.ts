/** Measures one promise in this process and sends the outcome to the parent: `measure.ts NAME`. */
import { promises } from "./all.js";

const [name, ...flags] = process.argv.slice(2);
const promise = promises.find((one) => one.name === name);
if (!promise || !process.send) throw new Error("expected the name of a promise, and a parent");
const outcome = await promise.run({ soak: flags.includes("--soak") });
process.send(outcome);
process.disconnect();
