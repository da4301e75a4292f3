/** Masks of 64 x 64 from the codes of `<seg>` tokens, and the other way. */
import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { openCheckpoint, resolveModel, weightsFile } from "../../core/checkpoint.js";
import { type ComposeControl, composeJob, withoutControl } from "../../core/compose.js";
import { tensor } from "../../core/create.js";
import { invalidArgument, TorchsightError } from "../../core/errors.js";
import type { Job } from "../../core/job.js";
import { createModule, type LoadOptions, load } from "../../core/load.js";
import type { Module } from "../../core/module.js";
import { tidy } from "../../core/scope.js";
import type { Tensor } from "../../core/tensor.js";
import { inferMaskConfig, type MaskConfig, maskDialect, parseMaskConfig } from "./mask_config.js";

/** Pixels of a side of the codec's masks. */
export const MASK_SIDE = 64;
/** Codes of a mask, a grid of 4 x 4 row by row. */
export const MASK_CODES = 16;

const PIXELS = MASK_SIDE * MASK_SIDE;
/** The codec's published file. */
export const PUBLISHED_FILE = "vae-oid.npz";

/** Types of the native methods, whose schemas are in native/models/paligemma/mask_codec.cc. */
export interface MaskCodecMethods {
  decode_masks: {
    /** int64 [N, 16], from 0 up to the number of codes. */
    inputs: { mask_ids: Tensor };
    /** float32 [N, 64, 64], about -1 outside of an object and 1 inside. */
    outputs: { masks: Tensor };
    args: object;
    item: object;
  };
  encode_masks: {
    /** [N, 64, 64], 0 outside of an object and 1 inside. */
    inputs: { masks: Tensor };
    outputs: { mask_ids: Tensor };
    args: object;
    item: object;
  };
}

/**
 * Reads and writes the 16 `<seg>` tokens that PaliGemma gives for an object's mask.
 *
 * @example
 * ```ts
 * await using codec = await MaskCodec.load("models/paligemma/vae-oid.npz");
 * const [map] = await codec.decode([object.codes]); // 64 x 64 numbers for the object's box
 * ```
 */
export class MaskCodec {
  /** The native module below, for what this class does not offer. */
  readonly module: Module<MaskCodecMethods>;
  readonly config: MaskConfig;

  private constructor(module: Module<MaskCodecMethods>) {
    this.module = module;
    this.config = parseMaskConfig(module.config);
  }

  /**
   * Loads `vae-oid.npz`, a safetensors file with the same names, or a folder that has either. It
   * may lie beside the weights of PaliGemma. The job rejects with `NOT_FOUND` and `BAD_CHECKPOINT`.
   */
  static load(path: string, options: LoadOptions = {}): Job<MaskCodec> {
    return composeJob(options, async (steps) => {
      if (typeof path !== "string") throw invalidArgument("the codec", "a path", path);
      const file = fileOf(resolveModel(path));
      // The tensors tell all there is to know; a config.json beside them may be another model's.
      const config = { ...configOf(file), ...options.config };
      const given = { ...withoutControl(options), config, ...steps.control };
      return new MaskCodec(await steps.run(load<MaskCodecMethods>(file, given)));
    });
  }

  /** Makes a codec with random weights. */
  static random(config: Partial<MaskConfig> = {}, options: LoadOptions = {}): Job<MaskCodec> {
    return composeJob(options, async (steps) => {
      const given = { ...withoutControl(options), ...steps.control };
      const job = createModule<MaskCodecMethods>(parseMaskConfig(config), given);
      return new MaskCodec(await steps.run(job));
    });
  }

  /**
   * Maps of 64 x 64 numbers, row by row, about -1 outside of an object and 1 inside of it; one for
   * each list of 16 codes. `pasteMask` brings one into its box. Rejects with `BAD_INPUT` for
   * lists of another length and codes that the codebook lacks.
   */
  decode(codes: readonly ArrayLike<number>[], options: ComposeControl = {}): Job<Float32Array[]> {
    return composeJob(options, async (steps) => {
      const rows = joined("codes", codes, MASK_CODES);
      if (rows.length === 0) return [];
      const mask_ids = BigInt64Array.from(rows, (code) => this.#code(code));
      return await tidy(async () => {
        const inputs = { mask_ids: tensor(mask_ids, { shape: [codes.length, MASK_CODES] }) };
        const job = this.module.call("decode_masks", inputs, steps.control);
        const { masks } = await steps.run(job);
        return parts(await masks.to("float32").data(), PIXELS);
      });
    });
  }

  /**
   * The 16 codes of each map of 64 x 64 numbers, row by row, from 0 outside of an object to 1
   * inside of it. `cutMask` makes such a map of a picture's mask. Rejects with `BAD_INPUT` for maps
   * of other sizes or numbers, and with `UNSUPPORTED` where the codec has no encoder.
   */
  encode(masks: readonly ArrayLike<number>[], options: ComposeControl = {}): Job<number[][]> {
    return composeJob(options, async (steps) => {
      if (this.config.decoder_only) {
        const message = "expected a codec with an encoder to encode masks but received one without";
        throw new TorchsightError("UNSUPPORTED", message);
      }
      const rows = Float32Array.from(joined("masks", masks, PIXELS));
      if (rows.length === 0) return [];
      return await tidy(async () => {
        const shape = [masks.length, MASK_SIDE, MASK_SIDE];
        const inputs = { masks: tensor(rows, { shape }) };
        const job = this.module.call("encode_masks", inputs, steps.control);
        const { mask_ids } = await steps.run(job);
        return parts(Array.from(await mask_ids.as("int64").data(), Number), MASK_CODES);
      });
    });
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

  #code(code: number): bigint {
    const { codes } = this.config;
    if (Number.isInteger(code) && code >= 0 && code < codes) return BigInt(code);
    throw invalidArgument("codes", `integers from 0 to ${codes - 1}`, code);
  }
}

/** Whether there is a codec's file in a folder, as `MaskCodec.load` looks for it. */
export function hasMaskCodec(folder: string): boolean {
  return existsSync(join(folder, PUBLISHED_FILE));
}

function fileOf(path: string): string {
  if (!statSync(path).isDirectory()) return path;
  return hasMaskCodec(path) ? join(path, PUBLISHED_FILE) : weightsFile(path);
}

function configOf(file: string): Partial<MaskConfig> {
  const tensors = new Map(openCheckpoint(file).tensors.map((one) => [one.name, one]));
  if (maskDialect.detect(tensors)) return inferMaskConfig(tensors);
  const first = [...tensors.keys()].slice(0, 3).join(", ") || "none at all";
  const message = `expected the tensors of a mask codec in ${file} but received ${first}`;
  throw new TorchsightError("BAD_CHECKPOINT", message, { reason: "UNKNOWN_DIALECT" });
}

/** Lists of one length behind each other. */
function joined(name: string, lists: readonly ArrayLike<number>[], length: number): number[] {
  if (!Array.isArray(lists)) throw invalidArgument(name, "a list of lists", lists);
  const wrong = lists.findIndex((list) => list?.length !== length);
  if (wrong < 0) return lists.flatMap((list) => Array.from(list));
  throw invalidArgument(`${name}[${wrong}]`, `${length} numbers`, lists[wrong]);
}

function parts<T extends { length: number; slice(from: number, to: number): T }>(
  all: T,
  length: number,
): T[] {
  return Array.from({ length: all.length / length }, (_, part) =>
    all.slice(part * length, (part + 1) * length),
  );
}
