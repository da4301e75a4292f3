/** How a model is trained, in the words of recipes. */
import type { Module } from "../core/module.js";
import type { Loss } from "./loss.js";

/** What moves the weights. Numbers left out have the defaults that are told. */
export type OptimizerOptions =
  | {
      /** AdamW (arXiv 1711.05101), equal to torch.optim's. */
      kind: "adamw";
      /** Default 0.9. */
      beta1?: number | undefined;
      /** Default 0.999. */
      beta2?: number | undefined;
      /** Default 1e-8. */
      eps?: number | undefined;
    }
  | {
      /** Equal to torch.optim's. */
      kind: "sgd";
      /** Default 0.9. */
      momentum?: number | undefined;
      nesterov?: boolean | undefined;
    }
  | {
      /**
       * Adafactor as big_vision trained ViT-G with it (arXiv 2106.04560, section 3.3): factored
       * second moments, momentum in bfloat16.
       */
      kind: "adafactor";
      /** Default 0.9; 0 for none. */
      momentum?: number | undefined;
      /** Second moments decay as `1 - step ** -decay_exponent`, default 0.8, … */
      decay_exponent?: number | undefined;
      /** … but by this at most. Default 0.999. */
      beta2_cap?: number | undefined;
      /** Matrices with a smaller side are not factored. Default 32. */
      min_dim_to_factor?: number | undefined;
      /** Updates of a weight are scaled to this root mean square at most. Default 0: never. */
      clip_threshold?: number | undefined;
      /** Added to squares. Default 1e-30. */
      eps?: number | undefined;
    };

/** How the learning rate moves: `constant`, `linear`, `cosine` or `rsqrt` (big_vision's). */
export interface ScheduleOptions {
  /** Default `constant`. */
  kind?: "constant" | "linear" | "cosine" | "rsqrt" | undefined;
  /** The highest rate. Default 1e-3. */
  peak?: number | undefined;
  /** Steps of the whole run: needed for `linear`, `cosine` and a cooldown. */
  steps?: number | undefined;
  /** Steps in which the rate rises from 0. Default 0. */
  warmup?: number | undefined;
  /** Steps in which it falls to 0 at the end. Default 0. */
  cooldown?: number | undefined;
  /** `linear`: the rate of the last step. Default 0. */
  end?: number | undefined;
  /** `rsqrt`: steps after which the rate is `peak / sqrt(2)`. Default 10,000. */
  timescale?: number | undefined;
  /** `rsqrt`: as if so many steps had been made before. Default 0. */
  shift?: number | undefined;
}

/** Weights that are treated alike. The first group whose pattern fits a name counts. */
export interface GroupOptions {
  /** Of names of parameters, with `*` for any text: `head.*`, `blocks.*.norm.weight`. */
  pattern: string;
  /** Times the learning rate. Default 1. */
  rate?: number | undefined;
  /** Weight decay, times the learning rate. Default 0. */
  decay?: number | undefined;
  /** Never moved. */
  frozen?: boolean | undefined;
}

/**
 * Low-rank adapters (LoRA, arXiv 2106.09685): `W + alpha / rank B A` in the place of matrices W,
 * which stay as they are.
 */
export interface AdapterOptions {
  /** Of names of matrices, with `*` for any text: `blocks.*.attn.q.weight`. */
  patterns: readonly string[];
  /** Rows of A and columns of B. Default 8. */
  rank?: number | undefined;
  /** Default `rank`. */
  alpha?: number | undefined;
  /** A is drawn from it, as `torch.nn.Linear` draws its weights; B starts at zero. Default 0. */
  seed?: number | undefined;
}

/** Learning from another model's logits (arXiv 1503.02531). */
export interface DistillationOptions {
  /** What logits are divided by before they are compared. Default 1. */
  temperature?: number | undefined;
  /** The teacher's part of the loss; the rest is the labels'. Default 1: there are no labels. */
  alpha?: number | undefined;
}

/** How stages of Imagen Video are trained. Names are those of the native side. */
export interface DiffusionOptions {
  /** What the network's output is. Default `v`. */
  prediction?: "v" | "epsilon" | "x" | undefined;
  /** What the squared error of x is multiplied with: docs/diffusion.md. Default `v`. */
  weight?: "v" | "epsilon" | "truncated" | "min_snr" | undefined;
  /** Of `min_snr`. Default 5. */
  min_snr_gamma?: number | undefined;
  /** Default the cosine between 20 and -20. */
  schedule?: NoiseScheduleOptions | undefined;
  /** The share of samples that are learnt without their text. Default 0.1; 0 for students. */
  text_dropout?: number | undefined;
  /** Of all that is drawn. Default 0. */
  seed?: number | undefined;
  /** Of stages that enlarge: what of. */
  low_res?: SmallVideoOptions | undefined;
  /** Height and width of random parts that are trained on. Default: all of a clip. */
  crop?: number | readonly [height: number, width: number] | undefined;
  /** The weights of guidance that students learn, drawn evenly. Default 0 and 4. */
  guidance_least?: number | undefined;
  guidance_most?: number | undefined;
  /** Of the loss `progressive`: how many steps the student goes in; its teacher goes in twice. */
  steps?: number | undefined;
}

/** How the ratio of signal to noise falls with time: docs/diffusion.md. */
export interface NoiseScheduleOptions {
  kind?: "cosine" | "offset_cosine" | "linear" | undefined;
  logsnr_min?: number | undefined;
  logsnr_max?: number | undefined;
  logsnr_shift?: number | undefined;
}

/** The small video that a stage learns to enlarge, made of the large one. */
export interface SmallVideoOptions {
  /** Fewer pixels, or fewer frames. Default `space`. */
  kind?: "space" | "time" | undefined;
  /** Default 2. */
  factor?: number | undefined;
  /**
   * What stands in frames that it lacks: the one before them, or nothing, with a further channel
   * that tells (`low_res_channels` is then 4). Default `repeat`.
   */
  fill?: "repeat" | "blank" | undefined;
  /** How pixels lie when it is enlarged. Default false. */
  align_corners?: boolean | undefined;
}

/** Everything that decides on the steps of a run, beside the data. */
export interface TrainerOptions {
  /** Default AdamW. */
  optimizer?: OptimizerOptions | undefined;
  schedule?: ScheduleOptions | undefined;
  /** What fits no group has a rate of 1 and no decay. */
  groups?: readonly GroupOptions[] | undefined;
  /** The norm that all gradients together have at most. Default: they are not clipped. */
  clip?: number | undefined;
  /** Parts that a batch is cut into, one after the other, to save memory. Default 1. */
  accumulate?: number | undefined;
  /**
   * Averages of the weights are kept, with this decay at most; `min(ema, (1 + step) / (10 + step))`
   * forgets the beginning soon. Default: none.
   */
  ema?: number | undefined;
  /** Products in bfloat16; weights and norms stay what they are. Default `none`. */
  autocast?: "none" | "bfloat16" | undefined;
  /**
   * What is made smaller: `sigmoid`, `softmax` or `distillation` for classifiers, `sigmoid` or
   * `softmax` for pairs of pictures and texts, `denoising`, `guidance` or `progressive` for stages
   * of Imagen Video, or a function of one's own. Default: what the model's config says.
   */
  loss?: string | Loss | undefined;
  /** The method whose outputs a loss of one's own is given. Default `classify`; SigLIP's differ. */
  method?: string | undefined;
  distillation?: DistillationOptions | undefined;
  /** Of stages of Imagen Video. */
  diffusion?: DiffusionOptions | undefined;
  /**
   * What `distillation` learns from: any model with `classify` that takes the same pictures, which
   * is called before each step and never changed. Without it, batches bring `teacher_logits`.
   */
  teacher?: Pick<Module, "call"> | undefined;
  /** Only adapters are trained, and what fits a group of `groups` that is not frozen. */
  adapters?: AdapterOptions | undefined;
  /**
   * The norm that the gradient of each example has at most, before the mean is taken. Examples go
   * through the model one by one, which is slow.
   */
  clipPerExample?: number | undefined;
  /**
   * Layers keep their inputs alone for the backward pass, and compute the rest again in it: the
   * same steps for less memory and about a third more time (activation checkpointing).
   */
  recompute?: boolean | undefined;
  /** Steps tell of attention: the largest logit and the mean entropy of each layer. */
  telemetry?: boolean | undefined;
  /**
   * With several replicas, each keeps the optimizer's state, and the averages, of its share of the
   * weights alone (ZeRO's first stage, arXiv 1910.02054). The steps stay the same. Default false.
   */
  shardOptimizer?: boolean | undefined;
  /**
   * With several replicas, bytes of gradients that are summed at once while the backward pass still
   * runs. Default 25e6.
   */
  bucketBytes?: number | undefined;
}

/** What of them a file can say. */
export type PlainTrainerOptions = Omit<
  TrainerOptions,
  "loss" | "method" | "teacher" | "distillation"
> & { loss?: string | undefined };

/** @internal The options as the native side and checkpoints have them. */
export function plainOptions(options: TrainerOptions): Omit<TrainerOptions, "teacher"> {
  const { teacher: _, ...plain } = options;
  return typeof plain.loss === "function" ? { ...plain, loss: "given" } : plain;
}
