// Where threads of a loader begin: plain JavaScript, since Node.js must know the file by itself.
import { workerData } from "node:worker_threads";

if (workerData.program.endsWith(".ts")) {
  // In a clone tsx compiles what is imported, but in Node.js 20 not in threads unless told to.
  const { register } = await import("tsx/esm/api");
  register();
}
await import(workerData.program);
