/**
 * Linear probes: how much a linear classifier can tell by features that stay as they are. Named
 * after Alain and Bengio (arXiv 1610.01644); section 4.1 of arXiv 2302.05442 judges ViT-22B so.
 */
import { checkOneOf, checkWholeNumber } from "../core/checks.js";
import { ones, zeros } from "../core/create.js";
import { invalidArgument, TorchsightError } from "../core/errors.js";
import { ops } from "../core/ops.js";
import { keep, noGrad, tidy } from "../core/scope.js";
import type { Tensor } from "../core/tensor.js";
import { minimise } from "./lbfgs.js";

/** How a probe is fitted. */
export interface LinearProbeOptions {
  /**
   * `logistic` (default): multinomial logistic regression by L-BFGS. `ridge`: least squares to
   * targets of 1 and -1, in closed form.
   */
  kind?: "logistic" | "ridge" | undefined;
  /** Labels are 0 to `classes - 1`. Default: the largest label tells. */
  classes?: number | undefined;
  /**
   * `l2 / 2` times the squared weights, without biases, is added to the mean loss of the examples
   * (half the squared error for `ridge`). Default 1e-3.
   */
  l2?: number | undefined;
  /** `logistic`: steps at most. Default 1000. */
  maxIterations?: number | undefined;
  /** `logistic`: the largest entry of the gradient at which it ends. Default 1e-7. */
  tolerance?: number | undefined;
  signal?: AbortSignal | undefined;
}

/** A fitted linear classifier. */
export class LinearProbe implements Disposable {
  /** @internal Made by {@link linearProbe}. */
  constructor(
    /** [K, d], float64. */
    readonly weight: Tensor<"float64">,
    /** [K], float64. */
    readonly bias: Tensor<"float64">,
    /** What was made smallest. */
    readonly loss: number,
    /** Steps of L-BFGS; 0 in closed form. */
    readonly iterations: number,
  ) {}

  /** Logits [N, K] of features [N, d], float64. */
  logits(features: Tensor): Tensor<"float64"> {
    return tidy(() => features.to("float64").matmul(this.weight.T).add(this.bias));
  }

  /** The share of features [N, d] whose largest logit is that of their label [N]. */
  accuracy(features: Tensor, labels: Tensor): number {
    return tidy(() => {
      const right = this.logits(features).argmax(1).eq(labels.to("int64"));
      return Number(right.to("float64").mean().item());
    });
  }

  [Symbol.dispose](): void {
    this.weight.dispose();
    this.bias.dispose();
  }
}

/**
 * Fits a linear classifier to features [N, d] with labels [N], in float64, as jobs. Rejects with
 * `SHAPE` or `BAD_INPUT` for what does not fit.
 *
 * @example
 * ```ts
 * using probe = await linearProbe(features, labels, { l2: 1e-4 });
 * console.log(probe.accuracy(heldOut, heldOutLabels));
 * ```
 */
export async function linearProbe(
  features: Tensor,
  labels: Tensor,
  options: LinearProbeOptions = {},
): Promise<LinearProbe> {
  const { kind = "logistic", l2 = 1e-3, maxIterations = 1000, tolerance = 1e-7 } = options;
  checkOneOf("kind", kind, ["logistic", "ridge"]);
  checkWholeNumber("maxIterations", maxIterations, 1);
  checkWholeNumber("classes", options.classes, 2);
  if (!(l2 >= 0)) throw invalidArgument("l2", "a number of at least 0", l2);
  if (!(tolerance > 0)) throw invalidArgument("tolerance", "a number above 0", tolerance);
  const fitted = await noGrad(() =>
    tidy(async () => {
      const problem = problemOf(features, labels, options.classes);
      const control = options.signal ? { signal: options.signal } : {};
      const found =
        kind === "ridge"
          ? await ridge(problem, l2)
          : await minimise(logistic(problem, l2), problem.start, {
              maxIterations,
              tolerance,
              ...control,
            });
      const width = features.shape[1]!;
      const { x, value, iterations } = found;
      const weight = keep(ops.narrow(x, 1, 0, width).contiguous().to("float64"));
      return {
        weight,
        bias: keep(ops.select(x, 1, width).contiguous().to("float64")),
        value,
        iterations,
      };
    }),
  );
  return new LinearProbe(fitted.weight, fitted.bias, fitted.value, fitted.iterations);
}

/** Features with a column of ones, labels one-hot, both float64, and weights of zeros. */
interface Problem {
  x: Tensor<"float64">; // [N, d + 1]
  y: Tensor<"float64">; // [N, K]
  start: Tensor<"float64">; // [K, d + 1]
  /** [1, d + 1]: 1 for weights, 0 for biases. */
  decays: Tensor<"float64">;
}

function problemOf(features: Tensor, labels: Tensor, given: number | undefined): Problem {
  const [count, width] = features.shape;
  if (features.shape.length !== 2 || labels.shape.length !== 1 || labels.shape[0] !== count) {
    throw new TorchsightError(
      "SHAPE",
      `expected features [N, d] and labels [N] but received [${features.shape}] and ` +
        `[${labels.shape}]`,
    );
  }
  if (count === 0) throw new TorchsightError("BAD_INPUT", "expected examples but received none");
  const whole = labels.to("int64");
  const [least, most] = [Number(whole.min().item()), Number(whole.max().item())];
  const classes = given ?? most + 1;
  if (least < 0 || most >= classes || classes < 2) {
    throw new TorchsightError(
      "BAD_INPUT",
      `expected labels from 0 to ${classes - 1} of at least 2 classes but received ${least} to ` +
        `${most}`,
    );
  }
  const wide = features.to("float64");
  const memory = { dtype: "float64" } as const;
  return {
    x: ops.cat([wide, ones([count!, 1], memory)], 1).to("float64"),
    y: ops.one_hot(whole, classes).to("float64"),
    start: zeros([classes, width! + 1], memory),
    decays: ops.cat([ones([1, width!], memory), zeros([1, 1], memory)], 1).to("float64"),
  };
}

/** The mean cross-entropy with its penalty, and its gradient, at weights [K, d + 1]. */
function logistic({ x, y, decays }: Problem, l2: number) {
  const count = x.shape[0]!;
  return async (weights: Tensor<"float64">) => {
    const logits = await ops.job.matmul(x, weights.T);
    const log = await ops.job.log_softmax(logits, 1);
    const penalised = weights.mul(decays);
    const loss = -Number(log.mul(y).sum().item()) / count;
    const penalty = (l2 / 2) * Number(penalised.mul(penalised).sum().item());
    const error = log.exp().sub(y).div(count);
    const slope = await ops.job.matmul(error.T, x);
    return { value: loss + penalty, gradient: slope.add(penalised.mul(l2)) };
  };
}

/** Least squares by the normal equations of centred features. */
async function ridge({ x, y }: Problem, l2: number) {
  const count = x.shape[0]!;
  const width = x.shape[1]! - 1;
  const features = ops.narrow(x, 1, 0, width);
  const targets = y.mul(2).sub(1);
  const [middle, level] = [features.mean([0], true), targets.mean([0], true)];
  const [centred, aims] = [features.sub(middle), targets.sub(level)];
  const scatter = (await ops.job.matmul(centred.T, centred)).div(count);
  const identity = ops.eye(width, { dtype: "float64" });
  const against = (await ops.job.matmul(centred.T, aims)).div(count);
  const weight = (await ops.job.linalg_solve(scatter.add(identity.mul(l2)), against)).T;
  const bias = level.sub(middle.matmul(weight.T)).T;
  const missed = centred.matmul(weight.T).sub(aims);
  const squares = Number(missed.mul(missed).sum().item()) / (2 * count);
  const penalty = (l2 / 2) * Number(weight.mul(weight).sum().item());
  return { x: ops.cat([weight, bias], 1).to("float64"), value: squares + penalty, iterations: 0 };
}
