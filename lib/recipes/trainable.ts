/** What recipes must know of a system that can be trained. */

/** What is known of every model that recipes train. */
export interface Trained<Config = unknown> {
  /** As recipes and the command line name it. */
  name: string;
  /** The recipe that is meant where none is named. */
  recipe: string;
  /** A complete, checked config. Throws `BAD_CONFIG`. */
  parseConfig(input: unknown): Config;
  /** Names and shapes of all parameters. */
  parameterShapes(config: Config): (readonly [name: string, shape: readonly number[]])[];
}

/** Stages of a video cascade. */
export interface TrainableStages<Config = unknown> extends Trained<Config> {
  kind: "stages";
  /** Whether a stage takes the weight of guidance, as students do; and the config of one. */
  takesGuidance(config: Config): boolean;
  withGuidance(config: Config): Config;
  /** Width of the features of texts. */
  textWidth(config: Config): number;
}

/** A system's own part of recipes. `lib/models/<system>/training.ts` has it. */
export interface TrainableSystem<Config = unknown> extends Trained<Config> {
  /** Height and width of the pictures that the config is made for. */
  inputSize(config: Config): readonly [height: number, width: number];
  /** Tokens of a sample of that size. */
  tokens(config: Config): number;
  /** Floating-point operations of a forward pass for one sample of that size. */
  flops(config: Config): number;
  /** What a model of that config is trained for unless the trainer's options say otherwise. */
  loss(config: Config): "sigmoid" | "softmax";
  /**
   * The config with a head for these labels. Where it has one for others already, that is replaced
   * if `renew` says so; else it throws `BAD_CONFIG`.
   */
  withLabels(config: Config, labels: readonly string[], renew: boolean): Config;
}
