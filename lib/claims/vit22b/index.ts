/** The claims of ViT-22B (arXiv 2302.05442). */
import type { Claim } from "../claim.js";
import { learningRate } from "./learning_rate.js";
import { parallelAccuracy, parallelMessages } from "./parallel_block.js";
import { scale } from "./scale.js";
import { shapeBias } from "./shape_bias.js";
import { shardedTraining } from "./sharded_training.js";

export const VIT22B_CLAIMS: readonly Claim[] = [
  learningRate,
  scale,
  shapeBias,
  parallelMessages,
  parallelAccuracy,
  shardedTraining,
];
