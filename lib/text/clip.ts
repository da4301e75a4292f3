/**
 * The tokenizer of CLIP-type checkpoints without a `tokenizer.json`: byte-level byte pair encoding
 * of lower-cased text (Radford et al., arXiv 2103.00020, section 2.4), given by `vocab.json` and
 * `merges.txt` alone. The steps are those that transformers writes to `tokenizer.json` for such a
 * checkpoint.
 */
import { TorchsightError } from "../core/errors.js";
import { checkModel, damaged, isRecord, type TokenizerDefinition } from "./definition.js";
import { contentOf, type TokenizerConfig } from "./special.js";

const START = "<|startoftext|>";
const END = "<|endoftext|>";

/** Special tokens of checkpoints whose config names none. */
const SPECIAL_TOKENS: TokenizerConfig = {
  bos_token: START,
  eos_token: END,
  unk_token: END,
  pad_token: END,
};

/** What ends the last token of a word. */
const WORD_END = "</w>";

/** Special tokens, English contractions, runs of letters, single digits, runs of anything else. */
const WORDS = [
  "<\\|startoftext\\|>",
  "<\\|endoftext\\|>",
  "'s|'t|'re|'ve|'m|'ll|'d",
  "[\\p{L}]+",
  "[\\p{N}]",
  "[^\\s\\p{L}\\p{N}]+",
].join("|");

/** The config of a CLIP-type checkpoint: what it leaves out is CLIP's. */
export function clipConfig(config: TokenizerConfig): TokenizerConfig {
  const given = Object.entries(config).filter(([, value]) => value !== null);
  return { ...SPECIAL_TOKENS, ...Object.fromEntries(given) };
}

/**
 * The definition of a CLIP tokenizer.
 *
 * @param vocab - parsed contents of `vocab.json`: ids by token
 * @param merges - contents of `merges.txt`: a pair on each line
 * @param config - special tokens, from {@link clipConfig}
 * @param folder - where the files are, for messages
 *
 * Throws `BAD_CHECKPOINT`, and `UNSUPPORTED` for byte-level vocabularies of other kinds (GPT-2,
 * RoBERTa), which come as the same two files.
 */
export function clipDefinition(
  vocab: unknown,
  merges: string,
  config: TokenizerConfig,
  folder: string,
): TokenizerDefinition {
  if (!isRecord(vocab)) throw damaged(`vocab.json of ${folder}`, "an object", vocab);
  const [start, end, unknown] = [config.bos_token, config.eos_token, config.unk_token].map(
    contentOf,
  ) as [string, string, string];
  const ofClip = [start, end].every((token) => Object.hasOwn(vocab, token));
  if (!ofClip || !Object.keys(vocab).some((token) => token.endsWith(WORD_END))) {
    throw new TorchsightError(
      "UNSUPPORTED",
      `expected a CLIP vocabulary with ${start}, ${end} and tokens that end in ${WORD_END} in ` +
        `vocab.json of ${folder} but found none; other tokenizers need a tokenizer.json`,
    );
  }
  const model = {
    type: "BPE",
    dropout: null,
    unk_token: unknown,
    continuing_subword_prefix: "",
    end_of_word_suffix: WORD_END,
    fuse_unk: false,
    byte_fallback: false,
    ignore_merges: false,
    vocab,
    merges: parseMerges(merges),
  };
  checkModel(model, `vocab.json and merges.txt of ${folder}`);
  const bytes = { type: "ByteLevel", trim_offsets: true, use_regex: true };
  return {
    added_tokens: [],
    normalizer: {
      type: "Sequence",
      normalizers: [
        { type: "NFC" },
        { type: "Replace", pattern: { Regex: "\\s+" }, content: " " },
        { type: "Lowercase" },
      ],
    },
    pre_tokenizer: {
      type: "Sequence",
      pretokenizers: [
        { type: "Split", pattern: { Regex: WORDS }, behavior: "Removed", invert: true },
        { ...bytes, add_prefix_space: false },
      ],
    },
    post_processor: {
      type: "RobertaProcessing",
      sep: [end, vocab[end]],
      cls: [start, vocab[start]],
      trim_offsets: false,
      add_prefix_space: false,
    },
    decoder: { ...bytes, add_prefix_space: true },
    model,
  };
}

/** The pairs of a `merges.txt`, whose first line may name a version. */
function parseMerges(text: string): string[][] {
  const lines = text.split(/\r?\n/);
  if (lines.at(-1) === "") lines.pop();
  return lines.filter((line) => !line.startsWith("#version")).map((line) => line.split(" "));
}
