import type { Told } from "./told.js";

/** What one step tells. */
export interface Step {
  /** From 0. */
  step: number;
  /** Of the batch, before the weights moved. */
  loss: number;
  /** What the loss is the sum of, where it has several parts. */
  parts: Record<string, number>;
  /** Of all gradients together, before they were clipped. */
  gradientNorm: number;
  learningRate: number;
  /** With the option `telemetry`: of each layer. */
  attention?: {
    /** The largest logit `q k / sqrt(e)` of the batch. */
    maxLogit: number[];
    /** The mean entropy of the rows of softmax, in nats. */
    entropy: number[];
  };
  /** Samples a second, from the end of the step before to the end of this one. */
  samplesPerSecond: number;
  /** Seconds that the remaining steps take at this pace; not known without `steps`. */
  eta?: number;
  /** What `evaluate` found after this step, where it was called. */
  evaluation?: Record<string, number>;
}

/** What a single step tells by itself. */
export type SingleStep = Omit<Step, "samplesPerSecond" | "eta" | "evaluation">;

/** @internal The step of what its job told. */
export function stepOf(step: number, told: Told): SingleStep {
  const { loss, gradient_norm, learning_rate, max_attention_logit, attention_entropy, ...parts } =
    told;
  const attention = {
    maxLogit: max_attention_logit as number[],
    entropy: attention_entropy as number[],
  };
  return {
    step,
    loss: loss as number,
    parts: parts as Record<string, number>,
    gradientNorm: gradient_norm as number,
    learningRate: learning_rate as number,
    ...(attention_entropy === undefined ? {} : { attention }),
  };
}
