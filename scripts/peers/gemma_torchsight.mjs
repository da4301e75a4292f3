// Our own decoder in a process of its own, beside the peers of `npm run bench`; see gemma_peer.mjs.
import { load, setThreads, tensor } from "../../dist/index.js";
import { serve } from "./gemma_peer.mjs";

await serve(async ({ folder, prompt, steps, threads }) => {
  setThreads(threads);
  const model = await load(folder);
  const session = model.openSession("cache", { max_length: prompt.length + steps });
  const input_ids = tensor(BigInt64Array.from(prompt, BigInt), { shape: [1, prompt.length] });
  const args = { max_new_tokens: steps + 1, eos_token_id: [] };
  return {
    async prefill() {
      const { logits } = await session.call("prefill", { input_ids });
      return () => logits.data();
    },
    async decode() {
      const { sequences } = await session.call("generate", {}, { args });
      return sequences.data();
    },
  };
});
