import test, { type ExecutionContext } from "ava";
import { TorchsightError } from "../../lib/core/errors.js";
import { type LoadPlan, reshape, shapeAfter, slice, transpose } from "../../lib/core/plan.js";
import { detectDialect, resolvePlan, type TensorIndex } from "../../lib/core/weights.js";
import { parseConfig, type ViT22BConfig, variant } from "../../lib/models/vit22b/config.js";
import { dialects } from "../../lib/models/vit22b/weights.js";
import { flat, type LabelArray, labelled, runSteps } from "./id_arrays.js";
import { bigVisionShapes, indexOf, nativeShapes, type Shapes, timmShapes } from "./layouts.js";

const SMALL = {
  hidden_size: 6,
  num_hidden_layers: 2,
  num_attention_heads: 2,
  intermediate_size: 8,
};
const TINY: Partial<ViT22BConfig> = { image_size: 4, patch_size: 2, num_labels: 3 };
const PLAIN: Partial<ViT22BConfig> = {
  block: "sequential",
  norm: "layernorm",
  qk_norm: "none",
  qkv_bias: true,
};

function config(...overrides: Partial<ViT22BConfig>[]): ViT22BConfig {
  return parseConfig(Object.assign({}, SMALL, TINY, ...overrides));
}

function plan(of: ViT22BConfig, tensors: TensorIndex): LoadPlan {
  const dialect = detectDialect(dialects, tensors, "a test");
  const parameters = Object.entries(nativeShapes(of)).map(([name, shape]) => ({ name, shape }));
  const rules = dialect.rules(of, tensors);
  return resolvePlan(parameters, rules, tensors, "a test", dialect.ignores?.(tensors, of));
}

function run(of: ViT22BConfig, shapes: Shapes): Map<string, LabelArray> {
  const made = plan(of, indexOf(shapes)).entries.map(({ target, sources, steps }) => {
    const arrays = sources.map(({ tensor }) => labelled(tensor, shapes[tensor]!));
    return [target, runSteps(steps, arrays)] as const;
  });
  return new Map(made);
}

/** A plan loses nothing and copies nothing: what was read can be written back. */
function isInvertible(t: ExecutionContext, of: ViT22BConfig, shapes: Shapes): void {
  const made = run(of, shapes);
  const labels = [...made.values()].flatMap((array) => array.data.flat());
  const all = Object.entries(shapes).flatMap(([name, s]) => labelled(name, s).data.flat());
  t.deepEqual(labels.toSorted(), all.toSorted());
  for (const [name, shape] of Object.entries(nativeShapes(of))) {
    t.deepEqual(made.get(name)?.shape, shape, name);
  }
}

const code = (t: ExecutionContext, work: () => unknown, pattern: RegExp) => {
  const error = t.throws(work, { instanceOf: TorchsightError });
  t.is(error?.code, "BAD_CHECKPOINT");
  t.regex(error?.message ?? "", pattern);
};

for (const [name, overrides] of Object.entries({
  "the defaults": {},
  "every bias": { qkv_bias: true, norm: "layernorm" as const },
  "no bias in the blocks": { mlp_bias: false, attention_out_bias: false },
  "sequential blocks": { block: "sequential" as const },
  "scales per head": { qk_norm_scale: "per_head" as const },
  "a class token": { class_token: true, pooling: "token" as const },
  "no pooling, no head": { pooling: "none" as const, num_labels: 0 },
})) {
  test(`a native checkpoint with ${name} maps onto itself`, (t) => {
    const of = config(overrides);
    isInvertible(t, of, nativeShapes(of));
  });
}

for (const old of [false, true]) {
  for (const scanned of [false, true]) {
    for (const prefix of ["", "params/", "params/img/", "opt/target/"]) {
      test(`big_vision: old ${old}, scanned ${scanned}, prefix "${prefix}"`, (t) => {
        const of = config(PLAIN);
        const shapes = bigVisionShapes(of, { old, scanned, prefix });
        isInvertible(t, of, shapes);
        const dialect = detectDialect(dialects, indexOf(shapes), "a test");
        t.deepEqual(parseConfig(dialect.inferConfig?.(indexOf(shapes))), of);
      });
    }
  }
}

test("big_vision: a class token's row of the position table joins the token", (t) => {
  const of = config(PLAIN, { class_token: true, pooling: "token" });
  const shapes = bigVisionShapes(of, { classPosition: true, old: true });
  isInvertible(t, of, shapes);
  t.deepEqual(run(of, shapes).get("cls_token")?.data[5], [
    "cls:5",
    "Transformer/posembed_input/pos_embedding:5",
  ]);
  t.deepEqual(parseConfig(dialects[1]?.inferConfig?.(indexOf(shapes))), of);
});

test("big_vision: kernels turn to [out, in], heads to rows, patches to channel first", (t) => {
  const of = config(PLAIN);
  const { hidden_size: d, patch_size: p, num_channels: channels } = of;
  for (const flatKernel of [false, true]) {
    const made = run(of, bigVisionShapes(of, { flatKernel }));
    const position = flat([channels, p, p], [2, 1, 0]);
    const label = `embedding/kernel:${flat([p, p, channels, d], [1, 0, 2, 4])}`;
    t.deepEqual(made.get("patch_embed.weight")?.data[flat([d, channels * p * p], [4, position])], [
      label,
    ]);
  }
  const made = run(of, bigVisionShapes(of));
  const attention = "Transformer/encoderblock_1/MultiHeadDotProductAttention_0";
  // Row 3 of q is head 1, feature 0; column 2 is the input.
  t.deepEqual(made.get("blocks.1.attn.q.weight")?.data[flat([d, d], [3, 2])], [
    `${attention}/query/kernel:${flat([d, 2, 3], [2, 1, 0])}`,
  ]);
  t.deepEqual(made.get("blocks.1.attn.out.weight")?.data[flat([d, d], [5, 4])], [
    `${attention}/out/kernel:${flat([2, 3, d], [1, 1, 5])}`,
  ]);
});

test("big_vision: another tower may be left over, a stranger in ours may not", (t) => {
  const of = config(PLAIN);
  const shapes = bigVisionShapes(of, { prefix: "params/img/" });
  t.notThrows(() => plan(of, indexOf({ ...shapes, "params/txt/head/kernel": [3, 3] })));
  code(
    t,
    () => plan(of, indexOf({ ...shapes, "params/img/pre_logits/kernel": [3, 3] })),
    /1 left over: params\/img\/pre_logits\/kernel/,
  );
});

for (const fusedOut of [false, true]) {
  for (const qkv_bias of [false, true]) {
    test(`timm: parallel blocks, fused output ${fusedOut}, biases of q, k, v ${qkv_bias}`, (t) => {
      const of = config({ attention_out_bias: !fusedOut, qk_norm: "rmsnorm", qkv_bias });
      isInvertible(t, of, timmShapes(of, { fusedOut }));
    });
  }
}

test("timm: the fused input matrix holds u, q, k, v in that order", (t) => {
  const of = config({ qk_norm: "rmsnorm" });
  const { hidden_size: d, intermediate_size: f } = of;
  const made = run(of, timmShapes(of));
  const first = (name: string) => made.get(name)?.data[0]?.[0];
  t.is(first("blocks.1.mlp.fc1.weight"), "blocks.1.in_proj.weight:0");
  t.is(first("blocks.1.attn.q.weight"), `blocks.1.in_proj.weight:${f * d}`);
  t.is(first("blocks.1.attn.k.weight"), `blocks.1.in_proj.weight:${(f + d) * d}`);
  t.is(first("blocks.1.attn.v.weight"), `blocks.1.in_proj.weight:${(f + 2 * d) * d}`);
});

test("timm: plain blocks with a class token", (t) => {
  const of = config(PLAIN, { class_token: true, pooling: "token" });
  isInvertible(t, of, timmShapes(of, { classPosition: true }));
});

test("timm: a norm before the blocks is refused by name", (t) => {
  const of = config({ qk_norm: "rmsnorm" });
  const shapes = { ...timmShapes(of), "norm_pre.weight": [6] };
  const error = t.throws(() => plan(of, indexOf(shapes)), { instanceOf: TorchsightError });
  t.is(error?.code, "UNSUPPORTED");
});

test("strict both ways, with near names and every kind of fault in one line", (t) => {
  const of = config();
  const shapes = nativeShapes(of);
  const { "norm.weight": _, "blocks.1.attn.q.weight": moved, ...rest } = shapes;
  const faulty = {
    ...rest,
    "blocks.1.attn.query.weight": moved!,
    "head.bias": [4],
    stranger: [1],
  };
  const error = t.throws(() => plan(of, indexOf(faulty)), { instanceOf: TorchsightError });
  t.is(error?.code, "BAD_CHECKPOINT");
  const [before = "", missing, leftOver, wrong] = error?.message.split(/: (?=\d)|; /) ?? [];
  t.is(before, "the tensors in a test do not fit the model");
  t.regex(missing ?? "", /^2 missing: .*\bnorm\.weight/);
  t.regex(missing ?? "", /blocks\.1\.attn\.q\.weight \(there is blocks\.1\.attn\.query\.weight\)/);
  t.is(leftOver, "2 left over: blocks.1.attn.query.weight, stranger");
  t.is(wrong, "1 of a wrong shape: head.bias: [4] not [3]");
});

test("a long report is cut", (t) => {
  const of = config();
  const shapes = { "patch_embed.weight": nativeShapes(of)["patch_embed.weight"]! };
  code(t, () => plan(of, indexOf(shapes)), /, and \d+ more$/);
});

test("a report of very many names is quick", (t) => {
  const of = variant("22B");
  const renamed = Object.entries(nativeShapes(of)).map(([name, shape]) => [`${name}s`, shape]);
  const tensors = indexOf({
    ...(Object.fromEntries(renamed) as Shapes),
    "patch_embed.weight": [6144, 588],
  });
  const started = performance.now();
  code(t, () => plan(of, tensors), /blocks\.0\.norm\.weight \(there is blocks\.0\.norm\.weights\)/);
  t.true(performance.now() - started < 2000);
});

test("an unknown naming is refused, with what was found", (t) => {
  code(
    t,
    () => detectDialect(dialects, indexOf({ "visual.conv1.weight": [1] }), "a test"),
    /one of torchsight, big_vision, timm in a test but received visual\.conv1\.weight/,
  );
});

test("a step that does not fit its tensor is part of the report", (t) => {
  const of = config({ qk_norm: "rmsnorm" });
  const shapes = { ...timmShapes(of), "blocks.0.in_proj.weight": [20, 6] };
  code(t, () => plan(of, indexOf(shapes)), /blocks\.0\.attn\.v\.weight .*is not within \[20, 6\]/);
});

test("a table at full size resolves in reasonable time", (t) => {
  const of = variant("22B");
  const started = performance.now();
  const { entries } = plan(of, indexOf(nativeShapes(of)));
  t.is(entries.length, Object.keys(nativeShapes(of)).length);
  t.true(performance.now() - started < 2000);
});

test("shapes after steps", (t) => {
  t.deepEqual(shapeAfter([reshape(6, 4), transpose(0, 1), slice(0, 1, 3)], [[2, 3, 4]]), [2, 6]);
  t.deepEqual(
    shapeAfter(
      [{ kind: "stack", dim: 1 }],
      [
        [2, 3],
        [2, 3],
      ],
    ),
    [2, 2, 3],
  );
  t.deepEqual(
    shapeAfter(
      [{ kind: "concat", dim: 1 }],
      [
        [2, 3],
        [2, 1],
      ],
    ),
    [2, 4],
  );
  t.throws(() => shapeAfter([], [[1], [1]]), { message: /2 tensors are left/ });
  t.throws(() => shapeAfter([{ kind: "add" }], [[1], [2]]), { message: /cannot be added/ });
  t.throws(() => shapeAfter([{ kind: "select", dim: 0, begin: 2 }], [[2]]), {
    message: /no entry 2/,
  });
});
