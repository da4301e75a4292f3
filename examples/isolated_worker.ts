/**
 * A model in a process of its own: it can be killed without taking this program along, and calls
 * can be cancelled, given a deadline, or put behind others.
 *
 *     npx tsx examples/isolated_worker.ts
 */
import { TorchsightError, ViT22B } from "torchsight";

const photo = "assets/photos/chelsea.jpg";

await using vit = await ViT22B.random("mu", { seed: 1, isolate: true });
console.log(`this is process ${process.pid}, the model lives in ${vit.module.pids}`);

using first = await vit.encode(photo, { deadline: 10_000, priority: "high" });
console.log("encoded:", first.last_hidden_state.shape);

// What a crash in native code would do.
process.kill(vit.module.pids[0]!, "SIGKILL");
try {
  using _ = await vit.encode(photo);
  console.log("the worker was restarted in time");
} catch (error) {
  if (!(error instanceof TorchsightError)) throw error;
  console.log(`an error, not a crash: ${error.code}`);
}

using again = await vit.encode(photo);
console.log("restarted and encoded:", again.last_hidden_state.shape);
