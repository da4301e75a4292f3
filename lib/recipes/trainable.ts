/** What recipes must know of a system that can be trained. */

/** A system's own part of recipes. `lib/models/<system>/training.ts` has it. */
export interface TrainableSystem<Config = unknown> {
  /** As recipes and the command line name it. */
  name: string;
  /** A complete, checked config. Throws `BAD_CONFIG`. */
  parseConfig(input: unknown): Config;
  /** Names and shapes of all parameters. */
  parameterShapes(config: Config): (readonly [name: string, shape: readonly number[]])[];
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
