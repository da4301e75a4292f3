import { Tokenizer as Library } from "@huggingface/tokenizers";
import { invalidArgument, TorchsightError } from "../core/errors.js";
import { corrected } from "./corrections.js";
import type { TokenizerDefinition } from "./definition.js";
import { readTokenizerFiles } from "./files.js";
import { contentOf, type TokenizerConfig, withSpecialTokens } from "./special.js";

/** How text is encoded. */
export interface EncodeOptions {
  /** Whether to put the tokens around the text that the model expects there. Default true. */
  specialTokens?: boolean | undefined;
}

/** How a tokenizer is made of its files. */
export interface TokenizerOptions {
  /** Changes what the files say before the tokenizer is built, e.g. adds tokens they leave out. */
  define?: ((definition: TokenizerDefinition) => TokenizerDefinition) | undefined;
}

/** How ids are decoded. */
export interface DecodeOptions {
  /** Whether special tokens are left out of the text. Default true. */
  skipSpecialTokens?: boolean | undefined;
}

/** What is used of the library, whose own declarations do not resolve in ECMAScript modules. */
interface Engine {
  readonly model: { readonly vocab: readonly (string | undefined)[] };
  readonly special_tokens: readonly string[];
  encode(text: string, options: { add_special_tokens: boolean }): { ids: number[] };
  decode(
    ids: number[],
    options: { skip_special_tokens: boolean; clean_up_tokenization_spaces: boolean },
  ): string;
}

/**
 * Text to token ids and back, by a checkpoint's own files. Ids are those of the Rust crate
 * `tokenizers`, and so of transformers, but for rare texts that `corrections.ts` lists. Half a
 * surrogate pair counts as U+FFFD.
 *
 * @example
 * ```ts
 * const tokenizer = await Tokenizer.load("models/owlvit-base-patch32");
 * tokenizer.encode("a photo of a cat"); // [49406, 320, 1125, 539, 320, 2368, 49407]
 * ```
 */
export class Tokenizer {
  readonly #engine: Engine;
  readonly #cleanUp: boolean;
  readonly #config: TokenizerConfig;

  private constructor(engine: Engine, config: TokenizerConfig) {
    this.#engine = engine;
    this.#cleanUp = config.clean_up_tokenization_spaces === true;
    this.#config = config;
  }

  /**
   * The tokenizer of the checkpoint in `folder`: its `tokenizer.json`, or `vocab.json` and
   * `merges.txt` of older CLIP-type checkpoints; special tokens also from `tokenizer_config.json`
   * and `special_tokens_map.json`. Rejects with `NOT_FOUND` where files are missing, with
   * `BAD_CHECKPOINT` for damaged ones, and with `UNSUPPORTED` for a vocabulary of another kind than
   * CLIP's without `tokenizer.json`.
   */
  static async load(folder: string, options: TokenizerOptions = {}): Promise<Tokenizer> {
    if (typeof folder !== "string") throw invalidArgument("the folder", "a path", folder);
    const { definition, config } = await readTokenizerFiles(folder);
    const { define = (given) => given } = options;
    const where = `tokenizer_config.json of ${folder}`;
    const complete = withSpecialTokens(define(definition), config, where);
    const engine = build(corrected(complete), config, folder);
    return new Tokenizer(engine, config);
  }

  /** One more than the largest id. */
  get vocabularySize(): number {
    return this.#engine.model.vocab.length;
  }

  /** The token that texts are padded with; undefined where the settings name none. */
  get padId(): number | undefined {
    return this.#idOf("pad_token");
  }

  /** The token that ends texts; undefined where the settings name none. */
  get eosId(): number | undefined {
    return this.#idOf("eos_token");
  }

  /** The class of transformers that the settings name, e.g. `GemmaTokenizer`. */
  get className(): string | undefined {
    // A class that is written in Rust is called as the one it replaces.
    return contentOf(this.#config.tokenizer_class)?.replace(/Fast$/, "");
  }

  /**
   * A token as the vocabulary writes it, e.g. `▁cat`, or `<0xE2>` for a byte. Throws `BAD_INPUT`
   * for an id that is not in the vocabulary.
   */
  piece(id: number | bigint): string {
    const piece = this.#engine.model.vocab[Number(id)];
    if (piece !== undefined) return piece;
    throw invalidArgument("ids", `ids below ${this.vocabularySize} in the vocabulary`, id);
  }

  /** Whether {@link decode} leaves a token out where special tokens are skipped. */
  isSpecial(id: number | bigint): boolean {
    return this.#engine.special_tokens.includes(this.piece(id));
  }

  /** The ids of a text. Special tokens that are written out in the text are taken as such. */
  encode(text: string, { specialTokens = true }: EncodeOptions = {}): number[] {
    if (typeof text !== "string") throw invalidArgument("text", "a string", text);
    return this.#engine.encode(text, { add_special_tokens: specialTokens }).ids;
  }

  /**
   * The text of ids. Where special tokens are skipped, CLIP's text loses white space at its ends.
   * Throws `BAD_INPUT` for ids that are not in the vocabulary.
   */
  decode(ids: Iterable<number | bigint>, { skipSpecialTokens = true }: DecodeOptions = {}): string {
    const numbers = Array.from(ids, (id) => {
      this.piece(id);
      return Number(id);
    });
    if (numbers.length === 0) return "";
    return this.#engine.decode(numbers, {
      skip_special_tokens: skipSpecialTokens,
      clean_up_tokenization_spaces: this.#cleanUp,
    });
  }

  #idOf(name: "pad_token" | "eos_token"): number | undefined {
    const content = contentOf(this.#config[name]);
    const id = content === undefined ? -1 : this.#engine.model.vocab.indexOf(content);
    return id < 0 ? undefined : id;
  }
}

function build(definition: TokenizerDefinition, config: TokenizerConfig, folder: string): Engine {
  try {
    return new Library(definition, config) as Engine;
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new TorchsightError("BAD_CHECKPOINT", `cannot build the tokenizer of ${folder}: ${why}`, {
      cause: error,
    });
  }
}
