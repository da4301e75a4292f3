/** What `verify` computes of SigLIP, on a small model with values of its own. */
import test from "ava";
import { composeJob } from "../../lib/core/compose.js";
import { SigLIP } from "../../lib/models/siglip/index.js";
import { siglipSubject } from "../../lib/verify/siglip.js";
import { temporary } from "../models/fixtures.js";
import { picture } from "../models/paligemma_models.js";
import { tokenizerFolder } from "../models/siglip_models.js";

test("values that are the model's own hold, and others do not", async (t) => {
  const tower = { hidden_size: 16, intermediate_size: 24, num_hidden_layers: 1 };
  const small = { ...tower, num_attention_heads: 2 };
  const folder = temporary(t);
  await using model = await SigLIP.random(
    {
      model_type: "siglip",
      vision_config: { ...small, image_size: 24, patch_size: 8 },
      text_config: { ...small, vocab_size: 800, max_position_embeddings: 12 },
    },
    { seed: 2, tokenizer: tokenizerFolder(t) },
  );
  await model.save(folder);
  const [image, texts] = [picture(30, 20), ["a cat", "a dog"]];
  const { logits } = await model.similarity([image], texts);
  const verified = async (expected: number[][]) => {
    const value = { name: "logits_per_image", expected, tolerance: 1e-4, source: "here" };
    const subject = siglipSubject({ texts, logits: value });
    return await composeJob({}, (steps) => subject.check(folder, image, {}, steps));
  };
  t.true((await verified(logits))[0]!.holds);
  t.false((await verified([[logits[0]![0]!, logits[0]![1]! + 0.1]]))[0]!.holds);
  t.false((await verified([[0]]))[0]!.holds);
});
