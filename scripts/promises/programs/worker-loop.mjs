// A worker thread that loads a module and computes until it is terminated. It tells when it has
// begun, and throws if a result is wrong.
import { parentPort } from "node:worker_threads";
import { createModule, ones, ops } from "torchsight";

const module = await createModule({ model_type: "torchsight_diagnostics", size: 100_000 });
const wait = () => module.call("wait", {}, { args: { seconds: 0.02, step: 0.002 } });
const a = ones([64, 64]);
for (let round = 0; ; round += 1) {
  const [product] = await Promise.all([ops.job.matmul(a, a), wait()]);
  const [sum] = await product.sum().data();
  product.dispose();
  if (sum !== 64 ** 3) throw new Error(`expected ${64 ** 3} for the sum but received ${sum}`);
  if (round === 0) parentPort.postMessage("running");
}
