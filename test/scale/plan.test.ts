/** What ranks of a ViT-22B hold and send: on paper the same as counted, to the byte. */
import test from "ava";
import { LAYOUTS, type Layout } from "../../lib/core/load.js";
import {
  dryRun,
  type PlanOptions,
  planOf,
  type ViT22BConfig,
  variant,
} from "../../lib/models/vit22b/index.js";

/** 25 tokens and 12 heads, so that any number of ranks up to 4 leaves a remainder. */
const SMALL: Partial<ViT22BConfig> = {
  hidden_size: 48,
  num_hidden_layers: 3,
  num_attention_heads: 12,
  intermediate_size: 96,
  image_size: 20,
  patch_size: 4,
};

const KINDS: Record<string, Partial<ViT22BConfig>> = {
  "as published": {},
  "a sequential block": { block: "sequential" },
  "layer norms": { norm: "layernorm" },
  "layer norms without bias": { norm: "layernorm_no_bias" },
  "a class token": { class_token: true },
  "queries and keys as they are": { qk_norm: "none" },
  "norms of each head": { qk_norm_scale: "per_head" },
  "biases in the attention": { qkv_bias: true },
  "no biases in the MLP": { mlp_bias: false },
  labels: { num_labels: 7 },
};

function same(t: import("ava").ExecutionContext, config: ViT22BConfig, options: PlanOptions) {
  const { parameters, parameterBytes, traffic, tensorParallel } = planOf(config, options);
  for (const rank of new Set([0, tensorParallel - 1])) {
    t.deepEqual(dryRun(config, options, rank), { parameters, parameterBytes, traffic });
  }
}

for (const layout of LAYOUTS) {
  test(`the published size on 8, 16 and 64 ranks, layout ${layout}`, (t) => {
    const config = variant("22B");
    for (const [dataParallel, tensorParallel] of [
      [1, 8],
      [1, 16],
      [8, 8],
      [4, 16],
    ] as const) {
      same(t, config, { layout, dataParallel, tensorParallel, batch: 16 });
    }
  });

  for (const [kind, overrides] of Object.entries(KINDS)) {
    test(`${kind}, layout ${layout}`, (t) => {
      const config = variant("mu", { ...SMALL, ...overrides });
      for (const tensorParallel of [1, 2, 3, 4]) {
        same(t, config, { layout, tensorParallel, batch: 3, dtype: "float32" });
      }
      same(t, config, { layout, tensorParallel: 2, reduceDtype: "bfloat16" });
    });
  }
}

test("figures of the published size", (t) => {
  const plan = planOf(variant("22B"), { tensorParallel: 8, dataParallel: 8, batch: 8 });
  t.like(plan, { ranks: 64, batch: 1, tokens: 256, paddedTokens: 256 });
  t.is(planOf(variant("22B")).parameterBytes, 2 * planOf(variant("22B")).parameters);
  // Two operations for each parameter of each token, and what attention adds.
  const whole = planOf(variant("22B"));
  t.true(whole.flops > 2 * 256 * 21e9 && whole.flops < 2 * 256 * 23e9, `${whole.flops}`);
  t.deepEqual(whole.traffic, {});
});

test("48 ranks of 256 tokens compute with 288: matrices take a share more", (t) => {
  const flops = (layout: Layout) => planOf(variant("22B"), { tensorParallel: 48, layout }).flops;
  const { hidden_size: d, intermediate_size: f, num_hidden_layers: layers } = variant("22B");
  const padding = (layers * 32 * 2 * (4 * d * d + 2 * d * f)) / 48;
  t.is(flops("tokens") - flops("features"), padding);
  t.is(flops("replicated"), flops("features"));
});

test("numbers of ranks that cannot be are refused", (t) => {
  const config = variant("22B");
  for (const options of [{ tensorParallel: 0 }, { dataParallel: 1.5 }, { batch: -1 }]) {
    t.throws(() => planOf(config, options), { code: "BAD_INPUT", message: /at least 1/ });
  }
  for (const plan of [planOf, dryRun]) {
    t.throws(() => plan(config, { tensorParallel: 5 }), {
      code: "BAD_CONFIG",
      message: /multiple of 5 .* for num_attention_heads but received 48/,
    });
  }
  const odd = variant("22B", { intermediate_size: 24_577 });
  t.throws(() => planOf(odd, { tensorParallel: 2 }), {
    code: "BAD_CONFIG",
    message: /multiple of 2 .* for intermediate_size but received 24577/,
  });
});

test("names that plans do not know are refused", (t) => {
  const config = variant("22B");
  for (const [name, given] of Object.entries({
    layout: { layout: "rows" },
    dtype: { dtype: "int8" },
    reduceDtype: { dtype: "bfloat16", reduceDtype: "float16" },
  })) {
    t.throws(() => planOf(config, given as PlanOptions), {
      code: "BAD_INPUT",
      message: new RegExp(`expected one of .* for ${name}`),
    });
  }
});

test("where layers are shared by many, the pooling head has the largest activations", (t) => {
  const bytes = (pooling: ViT22BConfig["pooling"], tensorParallel: number) =>
    planOf(variant("22B", { pooling }), { tensorParallel }).activationBytes;
  t.is(bytes("map", 48), 5 * 256 * 6144 * 2);
  t.true(bytes("mean", 48) < bytes("map", 48));
  t.is(bytes("mean", 1), bytes("map", 1));
});
