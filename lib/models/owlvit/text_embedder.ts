/** Texts to queries, by the model's text tower. What was asked last is kept. */
import type { Steps } from "../../core/compose.js";
import { tensor } from "../../core/create.js";
import { invalidArgument, TorchsightError } from "../../core/errors.js";
import type { Module } from "../../core/module.js";
import { ops } from "../../core/ops.js";
import { keep, tidy } from "../../core/scope.js";
import type { Tensor } from "../../core/tensor.js";
import { loadTokenizerOf } from "../../text/of_model.js";
import type { Tokenizer } from "../../text/tokenizer.js";
import type { OwlViTConfig } from "./config.js";
import { Queries } from "./embeddings.js";
import type { OwlViTMethods } from "./methods.js";
import { applyTemplates, canonicalize, type Templates, templatesOf } from "./prompts.js";
import { type QueryTokens, tokenizeQueries } from "./text.js";

/** How texts become queries. */
export interface TextQueryOptions {
  /**
   * Sentences that each query is put into; the logits are averaged. `best7` is what the models were
   * evaluated with. Default `none`.
   */
  templates?: Templates | undefined;
  /** Whether queries are first brought into the form of the training labels. Default false. */
  canonicalize?: boolean | undefined;
  /** What is done with a text of more tokens than the model reads. Default `truncate`. */
  overflow?: "truncate" | "error" | undefined;
}

/** Texts that go through the tower at once. */
const BATCH = 256;
/** Lists of queries that are kept. */
const KEPT = 8;

export class TextEmbedder {
  readonly #kept = new Map<string, Queries>();
  #disposed = false;
  #tokenizer: Promise<Tokenizer> | undefined;

  constructor(
    private readonly module: Module<OwlViTMethods>,
    private readonly config: OwlViTConfig,
    /** Where the tokenizer's files are; undefined for models without one. */
    readonly folder: string | undefined,
  ) {}

  /** Queries of these texts, for the caller to dispose of. */
  async embed(given: readonly string[], options: TextQueryOptions, steps: Steps): Promise<Queries> {
    checkTexts(given);
    // A copy: the caller may change the list while this one is kept.
    const texts = [...given];
    const templates = templatesOf(options.templates ?? "none");
    const key = JSON.stringify([texts, templates, options.canonicalize, options.overflow]);
    const kept = this.#kept.get(key);
    // A handle of its own: what is kept may be dropped while it is in use.
    if (kept) return this.#keep(key, kept).share();
    const computed = await this.#compute(texts, options, steps);
    // Another call may have kept the same texts meanwhile, and the model may be gone.
    if (this.#disposed || this.#kept.has(key)) return computed;
    return this.#keep(key, keep(computed)).share();
  }

  /** Frees what is kept. */
  dispose(): void {
    this.#disposed = true;
    for (const queries of this.#kept.values()) queries.dispose();
    this.#kept.clear();
  }

  /** Keeps queries as the latest, and drops those that were not asked for the longest. */
  #keep(key: string, queries: Queries): Queries {
    // The map's order is the order of use.
    this.#kept.delete(key);
    this.#kept.set(key, queries);
    const [oldest] = this.#kept.keys();
    if (this.#kept.size > KEPT && oldest !== undefined) {
      this.#kept.get(oldest)?.dispose();
      this.#kept.delete(oldest);
    }
    return queries;
  }

  async #compute(
    texts: readonly string[],
    { templates = "none", canonicalize: canonical = false, overflow }: TextQueryOptions,
    steps: Steps,
  ): Promise<Queries> {
    const named = canonical ? texts.map(canonicalize) : texts;
    const prompts = applyTemplates(named, templates);
    const tokenizer = await this.#requireTokenizer();
    const context = this.config.text_config.max_position_embeddings;
    const tokens = tokenizeQueries(tokenizer, prompts.flat(), { context, overflow });
    const embeds = await tidy(async () => {
      const rows = await this.#tower(tokens, context, steps);
      return ops.reshape(rows, [prompts.length, texts.length, -1]);
    });
    const truncated = texts.map((_, query) =>
      prompts.some((_, prompt) => tokens.truncated[prompt * texts.length + query]),
    );
    return new Queries(embeds, texts, "text", truncated);
  }

  /** Embeddings of all rows: [N, E]. */
  async #tower({ ids, length }: QueryTokens, context: number, steps: Steps): Promise<Tensor> {
    const rows = ids.length / context;
    const ids_NL = ops.narrow(tensor(ids, { shape: [rows, context] }), 1, 0, length);
    const parts: Tensor[] = [];
    for (let first = 0; first < rows; first += BATCH) {
      const part = ops.narrow(ids_NL, 0, first, Math.min(BATCH, rows - first));
      const inputs = { input_ids: ops.contiguous(part) };
      const job = this.module.call("embed_text", inputs, { ...steps.control });
      parts.push((await steps.run(job)).text_embeds);
    }
    return parts.length === 1 ? parts[0]! : ops.cat(parts);
  }

  #requireTokenizer(): Promise<Tokenizer> {
    if (this.folder === undefined) {
      throw new TorchsightError(
        "UNSUPPORTED",
        "expected a model with a tokenizer for text queries but received one without",
      );
    }
    const { vocab_size: known } = this.config.text_config;
    this.#tokenizer ??= loadTokenizerOf(this.folder, known);
    // What failed once may be mended and tried again.
    this.#tokenizer.catch(() => {
      this.#tokenizer = undefined;
    });
    return this.#tokenizer;
  }
}

function checkTexts(texts: unknown): void {
  if (!Array.isArray(texts)) throw invalidArgument("the queries", "a list of texts", texts);
  const wrong = texts.findIndex((text) => typeof text !== "string");
  if (wrong >= 0) throw invalidArgument(`queries[${wrong}]`, "a string", texts[wrong]);
}
