/** How far apart two sets of features lie as normal distributions. */
import { TorchsightError } from "../core/errors.js";
import { ops } from "../core/ops.js";
import { tidy } from "../core/scope.js";
import type { Tensor } from "../core/tensor.js";

/** A set of samples: features [N, d] of any function of videos or pictures. */
interface Moments {
  mean: Tensor;
  covariance: Tensor;
}

/**
 * The Fréchet distance of two sets of features [N, d] (Heusel et al., arXiv 1706.08500, section 2):
 * `|m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2))` of their means and sample covariances, in float64.
 * FID and FVD are this distance of features of particular networks, which are the caller's choice.
 *
 * @throws `SHAPE` for sets of other shapes, or of fewer than two samples
 */
export async function frechetDistance(one: Tensor, other: Tensor): Promise<number> {
  const [[, width = 0], [, otherWidth = 0]] = [one.shape, other.shape];
  for (const { shape } of [one, other]) {
    if (shape.length === 2 && shape[0]! > 1 && width > 0 && width === otherWidth) continue;
    const message = `expected features [N, d] of at least two samples each, of one width`;
    throw new TorchsightError("SHAPE", `${message} but received [${one.shape}], [${other.shape}]`);
  }
  return await tidy(async () => {
    const [a, b] = [momentsOf(one), momentsOf(other)];
    const means = ops.sum(ops.square(ops.sub(a.mean, b.mean)));
    const traces = ops.trace(ops.add(a.covariance, b.covariance));
    // tr (C1 C2)^(1/2) = tr (C1^(1/2) C2 C1^(1/2))^(1/2), whose matrix is symmetric.
    const root = rootOf(a.covariance);
    const product = ops.matmul(ops.matmul(root, b.covariance), root);
    const values = ops.linalg_eigvalsh(ops.div(ops.add(product, ops.t(product)), 2));
    const shared = ops.sum(ops.sqrt(ops.clamp(values, 0).as("float64")));
    const distance = ops.sub(ops.add(means, traces), ops.mul(shared, 2));
    return Number(await distance.item());
  });
}

function momentsOf(features: Tensor): Moments {
  const rows = features.to("float64");
  const mean = ops.mean(rows, [0]);
  const centred = ops.sub(rows, mean);
  const covariance = ops.div(ops.matmul(ops.t(centred), centred), rows.shape[0]! - 1);
  return { mean, covariance };
}

/** The symmetric root of a matrix without negative eigenvalues, but for what rounding adds. */
function rootOf(matrix: Tensor): Tensor {
  const [values, vectors] = ops.linalg_eigh(matrix).map((one) => one.as("float64")) as [
    Tensor<"float64">,
    Tensor<"float64">,
  ];
  const roots = ops.sqrt(ops.clamp(values, 0));
  return ops.matmul(ops.mul(vectors, roots), ops.t(vectors));
}
