/**
 * Features of a photograph, in five lines. The weights are random here, so the numbers mean
 * nothing; `ViT22B.load("folder")` takes trained ones.
 *
 *     npx tsx examples/encode_photo.ts [PHOTO]
 */
import { ViT22B } from "torchsight";

const [photo = "assets/photos/chelsea.jpg"] = process.argv.slice(2);

await using vit = await ViT22B.random("B", { seed: 1 });
using result = await vit.encode(photo, {
  onProgress: ({ done, total }) => process.stderr.write(`layer ${done} of ${total}\r`),
});

console.log("one vector a patch:", result.last_hidden_state.shape);
console.log("one vector a photograph:", result.pooler_output?.shape);
