/**
 * Tensors and gradients: fits a line to points by gradient descent.
 *
 *     npx tsx examples/tensors_and_gradients.ts
 */
import { noGrad, randn, tensor, tidy } from "torchsight";

using x = randn([100, 1]);
using y = tidy(() => x.mul(3).add(0.5));
using slope = tensor([[0]], { dtype: "float32", requiresGrad: true });
using offset = tensor([0], { dtype: "float32", requiresGrad: true });

for (let step = 0; step <= 100; step++) {
  await tidy(async () => {
    const error = x.matmul(slope).add(offset).sub(y);
    const loss = error.mul(error).mean();
    // The backward pass runs as a job, off the event loop.
    await loss.backward();
    if (step % 25 === 0) console.log(`step ${step}: loss ${loss.item().toFixed(6)}`);
    noGrad(() => {
      for (const parameter of [slope, offset]) {
        parameter.set([], parameter.sub(parameter.grad!.mul(0.1)));
        parameter.grad = null;
      }
    });
  });
}

console.log(`y = ${slope.item().toFixed(3)} x + ${offset.item().toFixed(3)}`);
