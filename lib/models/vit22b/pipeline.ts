import { type ComposeControl, composeJob, type Steps, withoutControl } from "../../core/compose.js";
import { invalidArgument, TorchsightError } from "../../core/errors.js";
import type { Job } from "../../core/job.js";
import { createModule, type LoadOptions, load } from "../../core/load.js";
import type { CallResult, Module } from "../../core/module.js";
import { tidy } from "../../core/scope.js";
import { Tensor } from "../../core/tensor.js";
import { decodeImage, type ImageSource } from "../../media/image.js";
import {
  labelsOf,
  parseConfig,
  type ViT22BConfig,
  type ViT22BConfigInput,
  type ViT22BVariant,
  variant,
} from "./config.js";
import { type ParameterCount, params } from "./params.js";
import { batchOf, cropped, type ProcessingOptions, toPixelValues } from "./processing.js";

/** Types of the native methods. */
export interface ViT22BMethods {
  encode: { inputs: PixelValues; outputs: EncodeOutputs; args: MethodArgs; item: object };
  classify: { inputs: PixelValues; outputs: ClassifyOutputs; args: MethodArgs; item: object };
  explain: { inputs: PixelValues; outputs: ExplainOutputs; args: ExplainArgs; item: object };
}

/** Options of all methods. */
interface MethodArgs {
  /** Whether to watch the attention as well; see {@link Telemetry}. */
  telemetry?: boolean | undefined;
}

interface ExplainArgs extends MethodArgs {
  labels: readonly number[];
}

/** What the attention of each layer did: the signs of a training that is about to diverge. */
export interface Telemetry {
  /** The largest attention logit of each layer: [L]. */
  max_attention_logit?: Tensor;
  /** Mean entropy of the attention of each layer, in nats: [L]. */
  attention_entropy?: Tensor;
}

/** float32 [B, C, H, W] in [-1, 1]. */
interface PixelValues {
  pixel_values: Tensor;
}

/** Features of pictures. */
export interface EncodeOutputs extends Telemetry {
  /** One vector a patch, after the final norm: [B, N, d]. */
  last_hidden_state: Tensor;
  /** One vector a picture: [B, d]. Absent where the config's `pooling` is `none`. */
  pooler_output?: Tensor;
}

/** Scores of pictures. */
export interface ClassifyOutputs extends Telemetry {
  /** One number a class, before sigmoid or softmax: [B, C]. */
  logits: Tensor;
}

/** Scores, and where in the picture they come from. */
export interface ExplainOutputs extends ClassifyOutputs {
  /**
   * How much each token adds to the logit of each label asked for, [B, K, N]: the token times the
   * logit's gradient. Where the config's `pooling` is `mean`, the mean over N and the label's bias
   * are the logit; patches go row by row (`gridOf`), after the class token if there is one.
   */
  maps: Tensor;
}

/** A picture, or pixels that are prepared already: float32 [C, H, W] or [B, C, H, W] in [-1, 1]. */
export type ViT22BImage = ImageSource | Tensor;

/** How pictures are encoded. */
export interface EncodeOptions extends ComposeControl, ProcessingOptions, MethodArgs {
  /** Names of activations to give back as well, e.g. `blocks.7`, or `["all"]`. */
  taps?: readonly string[] | undefined;
}

/** What is explained, and how. */
export interface ExplainOptions extends EncodeOptions {
  /** Names, where the config tells them, or indices. */
  labels: readonly (string | number)[];
}

/**
 * A ViT-22B-style encoder: pictures in, features out. No trained weights of this model were ever
 * published; it reads big_vision's and timm's plain ViTs, and its own checkpoints.
 *
 * @example
 * ```ts
 * await using vit = await ViT22B.load("models/vit");
 * using features = await vit.encode(["cat.jpg", "dog.jpg"]);
 * console.log(features.pooler_output?.shape); // [2, 768]
 * ```
 */
export class ViT22B {
  /** The native module below, for what this class does not offer. */
  readonly module: Module<ViT22BMethods>;
  readonly config: ViT22BConfig;

  private constructor(module: Module<ViT22BMethods>) {
    this.module = module;
    this.config = parseConfig(module.config);
  }

  /** Loads a folder, a file of weights, or a model that ships with the package; see `load`. */
  static load(pathOrName: string, options: LoadOptions = {}): Job<ViT22B> {
    return composeJob(options, async (steps) => {
      const job = load<ViT22BMethods>(pathOrName, { ...withoutControl(options), ...steps.control });
      return ViT22B.#of(await steps.run(job));
    });
  }

  /** Makes a model with random weights: of a named variant, or of any config. */
  static random(model: ViT22BVariant | ViT22BConfigInput, options: LoadOptions = {}): Job<ViT22B> {
    return composeJob(options, async (steps) => {
      const config = typeof model === "string" ? variant(model) : parseConfig(model);
      const job = createModule<ViT22BMethods>(config, {
        ...withoutControl(options),
        ...steps.control,
      });
      return ViT22B.#of(await steps.run(job));
    });
  }

  static #of(module: Module<ViT22BMethods>): ViT22B {
    if (module.config.model_type === "vit22b") return new ViT22B(module);
    module.dispose();
    throw invalidArgument("the model", "a model of type vit22b", module.config.model_type);
  }

  /** Features of one picture or of several, as one batch. */
  encode(
    images: ViT22BImage | readonly ViT22BImage[],
    options: EncodeOptions = {},
  ): Job<CallResult<EncodeOutputs>> {
    return this.#run("encode", images, options, () => ({}));
  }

  /** Class scores. Rejects with `UNSUPPORTED` where the model has no head. */
  classify(
    images: ViT22BImage | readonly ViT22BImage[],
    options: EncodeOptions = {},
  ): Job<CallResult<ClassifyOutputs>> {
    return this.#run("classify", images, options, () => ({}));
  }

  /**
   * Class scores, and a map over the patches for each label asked for. Rejects with `BAD_INPUT` for
   * labels that the model does not have, `UNSUPPORTED` where it has no head.
   */
  explain(
    images: ViT22BImage | readonly ViT22BImage[],
    options: ExplainOptions,
  ): Job<CallResult<ExplainOutputs>> {
    return this.#run("explain", images, options, () => ({
      labels: options.labels.map((label) => this.#index(label)),
    }));
  }

  /** Names of the classes in the order of the logits, where the config tells them. */
  get labels(): readonly string[] | undefined {
    return labelsOf(this.config);
  }

  /** Parameters of the model, item by item. */
  params(): ParameterCount {
    return params(this.config);
  }

  /** Writes `config.json` and the weights; see `Module.save`. */
  save(folder: string): Job<void> {
    return this.module.save(folder);
  }

  /** Frees the weights once running calls have settled. */
  dispose(): void {
    this.module.dispose();
  }

  /** As {@link dispose}, for `using`. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  /** As {@link dispose}, and waits until the weights are free. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.module[Symbol.asyncDispose]();
  }

  /** The index of a label. */
  #index(label: string | number): number {
    const index = typeof label === "number" ? label : (this.labels?.indexOf(label) ?? -1);
    if (Number.isInteger(index) && index >= 0 && index < this.config.num_labels) return index;
    const known = this.labels?.join(", ") ?? `whole numbers below ${this.config.num_labels}`;
    throw invalidArgument("a label", `one of ${known}`, label);
  }

  #run<N extends keyof ViT22BMethods>(
    method: N,
    images: ViT22BImage | readonly ViT22BImage[],
    options: EncodeOptions,
    more: () => Omit<ViT22BMethods[N]["args"], keyof MethodArgs>,
  ): Job<CallResult<ViT22BMethods[N]["outputs"]>> {
    return composeJob(options, async (steps) => {
      const own = more();
      using pixel_values = await tidy(() => this.#pixels(images, options, steps));
      const { taps, telemetry } = options;
      const args = { ...own, ...(telemetry && { telemetry }) } as ViT22BMethods[N]["args"];
      const job = this.module.call(method, { pixel_values }, { args, taps, ...steps.control });
      return await steps.run(job);
    });
  }

  /** The batch of all pictures. Their files are decoded at the same time. */
  async #pixels(
    images: ViT22BImage | readonly ViT22BImage[],
    options: EncodeOptions,
    steps: Steps,
  ): Promise<Tensor<"float32">> {
    if (images instanceof Tensor) return batchOf(images.as("float32"), this.config);
    const list = (Array.isArray(images) ? images : [images]) as ViT22BImage[];
    if (list.length === 0) throw invalidArgument("the images", "at least one", images);
    const channels = this.#channels();
    const decoded = await Promise.all(
      list.map((image) => {
        if (image instanceof Tensor) throw mixed();
        return decodeImage(image, channels);
      }),
    );
    const pictures: Tensor<"uint8">[] = [];
    for (const image of decoded) {
      pictures.push(await cropped(image, this.config, options, steps));
    }
    return toPixelValues(pictures);
  }

  #channels(): 1 | 3 {
    const { num_channels: channels } = this.config;
    if (channels === 1 || channels === 3) return channels;
    const message = `expected a tensor for a model of ${channels} channels but received a picture`;
    throw new TorchsightError("UNSUPPORTED", message);
  }
}

function mixed(): TorchsightError {
  return invalidArgument(
    "the images",
    "one tensor of all images, or pictures",
    "a list of tensors",
  );
}
