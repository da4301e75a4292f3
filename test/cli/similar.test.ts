/** `torchsight similar`, on a small model with random weights. */
import test from "ava";
import { SigLIP } from "../../lib/models/siglip/index.js";
import { fixture, temporary } from "../models/fixtures.js";
import { TOWER, tokenizerFolder } from "../models/siglip_models.js";
import { torchsight } from "./run.js";

const PICTURES = ["photo", "tall"].map((name) => fixture("owlvit_processing", `${name}.png`));

test("scores of each picture for each text, as the pipeline gives them", async (t) => {
  const folder = temporary(t);
  await using model = await SigLIP.random(
    {
      model_type: "siglip",
      vision_config: { ...TOWER, image_size: 24, patch_size: 8 },
      text_config: { ...TOWER, vocab_size: 800, max_position_embeddings: 12 },
    },
    { seed: 2, tokenizer: tokenizerFolder(t) },
  );
  await model.save(folder);
  const texts = ["a cat", "a dog", "nothing"];
  const asked = ["similar", "--model", folder, "--image", ...PICTURES, "--text", ...texts];
  const run = await torchsight(...asked, "--json");
  t.is(run.code, 0, run.stderr);
  const { scores } = await model.similarity(PICTURES, texts);
  t.deepEqual(JSON.parse(run.stdout), { images: PICTURES, texts, scores });
  const encoded = await torchsight(
    ...["encode", "--model", folder, "--image", ...PICTURES, "--json"],
  );
  const lines = encoded.stdout
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
  t.deepEqual(
    lines.map(({ file, features }) => [file, features.length]),
    PICTURES.map((file) => [file, 16]),
  );
  const readable = await torchsight(...asked);
  t.is(readable.stdout.trimEnd().split("\n").length, 2);
  t.true(readable.stdout.includes("a dog 0.") || readable.stdout.includes("a dog 1."));
});

test("failures have codes and exits", async (t) => {
  const run = await torchsight("similar", "--model", fixture("siglip", "vision"), "--json");
  t.is(run.code, 2, run.stderr);
  const alone = await torchsight(
    ...["similar", "--model", fixture("siglip", "vision"), "--json"],
    ...["--image", PICTURES[0]!, "--text", "a cat"],
  );
  t.is(alone.code, 1);
  t.is(JSON.parse(alone.stdout).error.code, "UNSUPPORTED");
});
