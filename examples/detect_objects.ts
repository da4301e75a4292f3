/**
 * Finds things by their names in pictures, and draws what was found. Takes a checkpoint of OWL-ViT
 * or OWLv2: a folder, or a name of the hub that `npx torchsight pull` has brought.
 *
 *     npx tsx examples/detect_objects.ts MODEL PHOTO "a cat" "a remote control"
 */
import { drawBoxes, OwlViT, writeImage } from "torchsight";

const [model, photo, ...texts] = process.argv.slice(2);
if (!model || !photo || texts.length === 0) throw new Error("expected MODEL PHOTO TEXT…");

await using owl = await OwlViT.load(model);

// The picture is embedded once; each further query costs its text alone.
using picture = await owl.embedImage(photo);
const found = await owl.detect(picture, texts, { threshold: 0.2, nmsIou: 0.7 });
for (const { label, score, box } of found) {
  console.log(`${label}: ${score.toFixed(2)} at ${box.map(Math.round).join(", ")}`);
}

// What looks like the best of them?
const [best] = found;
if (best) {
  using example = await owl.embedImageQuery(picture, { box: best.box, label: "one more" });
  const alike = await owl.detectByExample(picture, example, { threshold: 0.5 });
  console.log(`${alike.length} look like ${best.label}`);
}

await writeImage(await drawBoxes(photo, found, { labels: texts }), "found.png");
