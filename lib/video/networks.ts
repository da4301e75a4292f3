/** The networks of a cascade, each in memory while its stage runs. */
import { join } from "node:path";
import { readConfig } from "../core/checkpoint.js";
import { withoutControl } from "../core/compose.js";
import { badField } from "../core/config.js";
import { TorchsightError } from "../core/errors.js";
import type { LoadOptions } from "../core/load.js";
import {
  type CascadeConfig,
  type ImagenVideoConfig,
  parseConfig,
  type StageFields,
  strideOf,
  VideoStage,
} from "../models/imagen_video/index.js";
import { parseConfig as parseT5 } from "../models/t5/index.js";
import type { Runner } from "./prompts.js";

/** Opens the network of a stage, and closes it once its work is done. */
export class StageNetworks {
  readonly configs: Readonly<Record<string, ImagenVideoConfig>>;
  readonly #stages: readonly StageFields[];
  readonly #folder: string | undefined;
  readonly #options: LoadOptions;
  readonly #keep: boolean;
  readonly #kept = new Map<string, VideoStage>();

  /** @param folder - the cascade's; without one the weights are random */
  constructor(
    { stages }: CascadeConfig,
    configs: Readonly<Record<string, ImagenVideoConfig>>,
    folder: string | undefined,
    options: LoadOptions,
    keep: boolean,
  ) {
    this.configs = configs;
    this.#stages = stages;
    this.#folder = folder;
    this.#options = options;
    this.#keep = keep;
  }

  /** Whether weights are drawn instead of read. */
  get random(): boolean {
    return this.#folder === undefined || this.#options.seed !== undefined;
  }

  /** What `work` makes of the stage's network. */
  async use<T>(
    stage: StageFields,
    runner: Runner,
    work: (network: VideoStage) => Promise<T>,
  ): Promise<T> {
    const kept = this.#kept.get(stage.name);
    const network =
      kept ?? this.#held(stage.name, await runner.run(this.#open(stage, runner), () => {}));
    try {
      return await work(network);
    } finally {
      if (!this.#keep) await network[Symbol.asyncDispose]();
    }
  }

  /** The network to use: of two that were opened at a time, the first is kept. */
  #held(name: string, opened: VideoStage): VideoStage {
    if (!this.#keep) return opened;
    const first = this.#kept.get(name);
    if (first) opened.dispose();
    else this.#kept.set(name, opened);
    return first ?? opened;
  }

  dispose(): void {
    for (const network of this.#kept.values()) network.dispose();
    this.#kept.clear();
  }

  #open(stage: StageFields, runner: Runner) {
    const options = { ...withoutControl(this.#options), ...runner.control };
    const place = this.#stages.findIndex(({ name }) => name === stage.name);
    // Networks of one shape, drawn from one seed, would else be one network.
    const seeded = this.random ? { ...options, seed: (options.seed ?? 0) + place } : options;
    if (this.#folder === undefined) return VideoStage.random(this.configs[stage.name]!, seeded);
    return VideoStage.load(join(this.#folder, stage.folder), seeded);
  }
}

/**
 * The configs of a cascade's networks, read and checked against what its stages do.
 *
 * @throws `BAD_CONFIG`, naming the stage, where a network does not fit; `NOT_FOUND` for a missing
 *   folder
 */
export function readNetworks(
  cascade: CascadeConfig,
  folder: string,
): Record<string, ImagenVideoConfig> {
  const configs = cascade.stages.map((stage) => {
    const given = requireConfig(join(folder, stage.folder), `stage ${stage.name}`);
    const config = inStage(stage.name, () => parseConfig(given));
    return [stage.name, config] as const;
  });
  const networks = Object.fromEntries(configs);
  const { text } = cascade;
  const encoder = text && parseT5(requireConfig(join(folder, text.folder), "the text encoder"));
  checkNetworks(cascade, networks, encoder?.d_model);
  return networks;
}

function requireConfig(folder: string, what: string): unknown {
  let config: unknown;
  try {
    config = readConfig(folder);
  } catch (error) {
    if (error instanceof TorchsightError) throw error;
  }
  if (config !== undefined) return config;
  throw new TorchsightError("NOT_FOUND", `there is no config.json of ${what} in ${folder}`);
}

/** Throws `BAD_CONFIG`, naming the stage, where a network cannot do what its stage does. */
export function checkNetworks(
  { stages }: CascadeConfig,
  networks: Readonly<Record<string, ImagenVideoConfig>>,
  textWidth: number | undefined,
): void {
  for (const stage of stages) {
    const network = networks[stage.name];
    const where = (field: string) => `${field} of stage ${stage.name}`;
    if (!network) throw badField(where("the network"), "a config", network);
    const low = stage.kind === "base" ? 0 : stage.fill === "blank" ? 4 : 3;
    const one = typeof stage.guidance === "object" && stage.guidance.passes === "one";
    const stride = strideOf(network);
    for (const [field, expected, received] of [
      ["channels", 3, network.channels],
      ["low_res_channels", stage.kind === "space" ? 3 : low, network.low_res_channels],
      ["guidance_input, as the passes of guidance say,", one, network.guidance_input],
      ["text_width", textWidth ?? network.text_width, network.text_width],
    ] as const) {
      if (expected !== received) throw badField(where(field), `${expected}`, received);
    }
    for (const side of ["height", "width"] as const) {
      if (stage[side] % stride === 0) continue;
      throw badField(where(side), `a multiple of ${stride}, as its network needs,`, stage[side]);
    }
  }
}

/** What `work` gives; its failures name the stage. */
export function inStage<T>(stage: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw stageFailure(stage, error);
  }
}

/** A failure of a stage, told with its name. */
export function stageFailure(stage: string, error: unknown): unknown {
  if (!(error instanceof TorchsightError)) return error;
  const { code, message, reason, retryAfter } = error;
  const ending = code === "CANCELLED" || code === "DEADLINE";
  if (ending || new RegExp(`\\b${stage}\\b`).test(message)) return error;
  const options = { cause: error, reason, retryAfter };
  return new TorchsightError(code, `stage ${stage}: ${message}`, options);
}
