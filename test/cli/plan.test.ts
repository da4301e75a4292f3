/** `plan`. */
import { join } from "node:path";
import test from "ava";
import { fixture } from "../models/fixtures.js";
import { torchsight } from "./run.js";

test("a published size on a mesh, told and counted", async (t) => {
  const { code, stdout, stderr } = await torchsight("plan", "ViT-22B", "--ranks", "8x8");
  t.is(code, 0, stderr);
  t.regex(stdout, /^ViT-22B, bfloat16, on 64 ranks: 8 replicas of 8, layout tokens\n/);
  t.regex(stdout, /weights +6\.35 GB, counted 6\.35 GB/);
  t.regex(stdout, /sends +396\.36 MB in 672 messages of ring, counted 396\.36 MB in 672/);
});

test("a folder's config, as a document", async (t) => {
  const words = ["--ranks", "2", "--layout", "features", "--dtype", "float32", "--json"];
  const { code, stdout, stderr } = await torchsight(
    "plan",
    fixture("vit22b", "shardable"),
    ...words,
  );
  t.is(code, 0, stderr);
  const { counted, ...plan } = JSON.parse(stdout);
  t.like(plan, { ranks: 2, tensorParallel: 2, dataParallel: 1, layout: "features", batch: 1 });
  t.is(plan.dtype, "float32");
  t.like(plan, counted);
});

test("ranks and models that mean nothing are refused", async (t) => {
  for (const ranks of ["0", "8x", "x8", "2x2x2", "-1"]) {
    const { code, last } = await torchsight("plan", "ViT-22B", `--ranks=${ranks}`);
    t.is(code, 2, ranks);
    t.regex(last, /for --ranks but received/);
  }
  const none = await torchsight("plan", join("no", "folder"), "--ranks", "2");
  t.is(none.code, 1);
  t.regex(none.last, /BAD_CONFIG: expected one of mu, .*22B/);
  const indivisible = await torchsight("plan", "ViT-22B", "--ranks", "5");
  t.regex(indivisible.last, /^BAD_CONFIG: expected a multiple of 5/);
});
