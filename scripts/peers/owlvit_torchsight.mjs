// Our own detector in a process of its own, so that its memory compares with the peers' of `npm run
// bench`; see owlvit_peer.mjs.
import { OwlViT, setThreads } from "../../dist/index.js";
import { serve } from "./owlvit_peer.mjs";

await serve(async ({ folder, picture, threads }) => {
  setThreads(threads);
  const detector = await OwlViT.load(folder);
  return {
    detect: (queries, threshold) => detector.detect(picture, queries, { threshold }),
    async everything(queries) {
      const found = await detector.detect(picture, queries, { threshold: 0 });
      return {
        boxes: found.map(({ box }) => box),
        scores: found.map(({ score }) => score),
        labels: found.map(({ query }) => query),
      };
    },
  };
});
