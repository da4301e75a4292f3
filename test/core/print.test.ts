import { inspect } from "node:util";
import test from "ava";
import { ones, ops, type Tensor, tensor, zeros } from "torchsight";
import { decodeTensor, fixture } from "./fixture.js";

interface Case {
  source: string;
  text: string;
  tensor?: { t: Parameters<typeof decodeTensor>[0] };
  requiresGrad?: boolean;
}

/**
 * The tensors that cannot be stored: without data, or with a history. Python makes a tensor of a
 * scalar operand; here it is another overload, whose node is called AddBackward1.
 */
const MADE: Readonly<Record<string, () => Tensor>> = {
  "torch.ones(2, requires_grad=True) + 1": () => ones([2], { requiresGrad: true }).add(tensor(1)),
  "(torch.ones(2, 2, requires_grad=True) @ torch.ones(2, 2)).relu()": () =>
    ones([2, 2], { requiresGrad: true })
      .matmul(ones([2, 2]))
      .relu(),
  "torch.ones(2, requires_grad=True).sum()": () => ones([2], { requiresGrad: true }).sum(),
  "torch.ones(30, dtype=torch.float64, requires_grad=True) * 2": () =>
    ones([30], { dtype: "float64", requiresGrad: true }).mul(tensor(2)),
  "torch.ones(2, 3, device='meta')": () => ones([2, 3], { device: "meta" }),
  "torch.ones(2, device='meta', dtype=torch.float16)": () =>
    ones([2], { device: "meta", dtype: "float16" }),
};

for (const { source, text, tensor: stored, requiresGrad } of fixture<Case[]>("printing")) {
  test(`${source} prints as in PyTorch`, (t) => {
    const x = stored ? decodeTensor(stored.t) : MADE[source]?.();
    if (requiresGrad && x) x.requiresGrad = true;
    t.is(String(x), text);
  });
}

test("util.inspect, and so console.log, prints tensors", (t) => {
  t.is(inspect({ x: tensor([1, 2]) }), "{ x: tensor([1., 2.]) }");
});

test("printing records no gradients and leaves no tensors behind", (t) => {
  const x = zeros([2000], { requiresGrad: true });
  t.regex(String(x), /^tensor\(\[0\., 0\., 0\., {2}\.\.\., 0\., 0\., 0\.\], requires_grad=True\)$/);
  t.regex(String(ops.detach(x)), /\]\)$/);
});

test("a disposed tensor says so", (t) => {
  const x = tensor([1]);
  x.dispose();
  t.is(String(x), "tensor(disposed)");
});
