import test from "ava";
import { TorchsightError } from "../../lib/core/errors.js";
import { elements } from "../../lib/core/plan.js";
import {
  gridOf,
  parseConfig,
  type ViT22BConfig,
  type ViT22BVariant,
  variant,
} from "../../lib/models/vit22b/config.js";
import { params } from "../../lib/models/vit22b/params.js";
import { nativeShapes } from "./layouts.js";

const SIZES = {
  hidden_size: 64,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  intermediate_size: 128,
};

test("defaults are the paper's model", (t) => {
  t.deepEqual(parseConfig(SIZES), {
    model_type: "vit22b",
    ...SIZES,
    image_size: 224,
    patch_size: 14,
    num_channels: 3,
    block: "parallel",
    norm: "rmsnorm",
    norm_eps: 1e-6,
    qk_norm: "layernorm_no_bias",
    qk_norm_scale: "shared",
    qkv_bias: false,
    attention_out_bias: true,
    mlp_bias: true,
    hidden_act: "gelu_tanh",
    pooling: "map",
    class_token: false,
    position_resize: "bilinear",
    num_labels: 0,
    loss: "sigmoid",
  });
});

test("22B sees 256 patches", (t) => {
  t.deepEqual(gridOf(variant("22B")), [16, 16]);
});

for (const [name, input, message] of [
  ["a list", [], /an object for the config/],
  ["no width", { ...SIZES, hidden_size: undefined }, /for hidden_size but received undefined/],
  ["a fractional depth", { ...SIZES, num_hidden_layers: 1.5 }, /for num_hidden_layers .* 1.5/],
  ["no layers", { ...SIZES, num_hidden_layers: 0 }, /at least 1 for num_hidden_layers/],
  ["an unknown block", { ...SIZES, block: "both" }, /one of parallel, sequential for block/],
  ["a flag as text", { ...SIZES, qkv_bias: "no" }, /true or false for qkv_bias/],
  ["three sides", { ...SIZES, image_size: [1, 2, 3] }, /\[height, width\] for image_size/],
  ["an image below a patch", { ...SIZES, image_size: 7 }, /at least one patch of 14 pixels/],
  ["an odd width", { ...SIZES, hidden_size: 66 }, /a multiple of num_attention_heads = 4/],
  ["a zero eps", { ...SIZES, norm_eps: 0 }, /above 0 and at most 1 for norm_eps/],
  ["a bias as text", { ...SIZES, init_head_bias: "0" }, /a number .* for init_head_bias/],
  ["no token to pool", { ...SIZES, pooling: "token" }, /true where pooling is token/],
  ["a misspelt field", { ...SIZES, qk_nrom: "none" }, /unknown field qk_nrom; is qk_norm meant/],
  ["another model", { ...SIZES, model_type: "vit" }, /vit22b for model_type/],
] as const) {
  test(`refused: ${name}`, (t) => {
    const error = t.throws(() => parseConfig(input), { instanceOf: TorchsightError });
    t.is(error?.code, "BAD_CONFIG");
    t.regex(error?.message ?? "", message);
  });
}

test("other tools' fields are let be", (t) => {
  const config = parseConfig({ ...SIZES, architectures: ["X"], transformers_version: "5.18" });
  t.deepEqual(config, parseConfig(SIZES));
});

test("an unknown variant is refused with the known ones", (t) => {
  t.throws(() => variant("H" as ViT22BVariant), { message: /mu, B, L, G, e, 22B/ });
});

// L(4d² + 2dF), as the table of the specification gives it.
const KERNELS: Record<ViT22BVariant, number> = {
  mu: 12_288,
  B: 84.93e6,
  L: 301.99e6,
  G: 1840.25e6,
  e: 3802.14e6,
  "22B": 21_743.27e6,
};

for (const [name, kernels] of Object.entries(KERNELS) as [ViT22BVariant, number][]) {
  test(`kernels of ${name}`, (t) => {
    const counted = params(variant(name)).kernels;
    t.true(Math.abs(counted - kernels) <= (kernels > 1e6 ? 0.005e6 : 0), String(counted));
  });
}

test("the extras of 22B, item by item", (t) => {
  const counts = params(variant("22B", { num_labels: 29_593 }));
  t.true(Math.abs(counts.mapHead - 452.98e6) < 0.1e6);
  t.is(Math.round(counts.head / 1e5), 1818);
  t.is(Math.round(counts.patchEmbedding / 1e5), 36);
  t.is(Math.round(counts.positions / 1e5), 16);
});

test("items and total agree with the shapes of the contract for every option", (t) => {
  const overrides: Partial<ViT22BConfig>[] = [
    {},
    { num_labels: 10, norm: "layernorm", qkv_bias: true },
    { block: "sequential", qk_norm: "none", mlp_bias: false, attention_out_bias: false },
    { qk_norm_scale: "per_head", class_token: true, pooling: "token" },
    { image_size: [30, 61], patch_size: 7, num_channels: 1, pooling: "mean" },
  ];
  for (const override of overrides) {
    const config = parseConfig({ ...SIZES, ...override });
    const total = Object.values(nativeShapes(config)).reduce((sum, s) => sum + elements(s), 0);
    t.is(params(config).total, total, JSON.stringify(override));
  }
});
