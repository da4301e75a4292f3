/**
 * The prompts that PaliGemma was trained on, and their tokens. Sources: big_vision,
 * `configs/proj/paligemma/README.md`, `transfers/*.py` and `transfers/common.py`; arXiv 2407.07726,
 * section 3.2.
 */
import { invalidArgument } from "../../core/errors.js";
import type { Tokenizer } from "../../text/tokenizer.js";
import type { TokenLayout } from "./tokens.js";

/** Words that mean something by themselves; in a prompt they would mean it too. */
const RESERVED = ["<image>", "<bos>", "<eos>", "<pad>"];

/** What a prompt begins with if it is one of those that models of all kinds know. */
const TASKS = /^(caption|cap|describe|answer|question|ocr|detect|segment)\b/;

/** A sentence about the picture. */
export const captionPrompt = (lang = "en"): string => `caption ${checkedLang(lang)}`;

/** A short answer to a question about the picture. */
export const answerPrompt = (question: string, lang = "en"): string =>
  `answer ${checkedLang(lang)} ${checkedWords("question", question)}`;

/** A question to which `answer` is the answer. */
export const questionPrompt = (answer: string, lang = "en"): string =>
  `question ${checkedLang(lang)} ${checkedWords("answer", answer)}`;

/** The text that is written in the picture. */
export const ocrPrompt = (): string => "ocr";

/** The boxes of things. */
export const detectPrompt = (things: string | readonly string[]): string =>
  `detect ${listed(things)}`;

/** The boxes and masks of things. */
export const segmentPrompt = (things: string | readonly string[]): string =>
  `segment ${listed(things)}`;

/** Whether a prompt is one of a task: models that were only pre-trained know no others. */
export const isTask = (prompt: string): boolean => TASKS.test(prompt);

/**
 * The tokens of a prompt: the beginning, its words, and a line break that cannot merge with them.
 * They come behind the places of the pictures. Throws `BAD_INPUT` for words that are reserved.
 */
export function promptTokens(tokenizer: Tokenizer, prompt: string, layout: TokenLayout): number[] {
  const found = RESERVED.find((word) => prompt.includes(word));
  if (found !== undefined) {
    throw invalidArgument("the prompt", `a text without ${RESERVED.join(", ")}`, prompt);
  }
  const words = tokenizer.encode(prompt, { specialTokens: false });
  return [layout.bos, ...words, layout.newline];
}

function listed(things: string | readonly string[]): string {
  const list: readonly unknown[] = typeof things === "string" ? [things] : things;
  if (!Array.isArray(list) || list.length === 0) {
    throw invalidArgument("the things", "at least one text", things);
  }
  return list.map((thing) => checkedWords("things", thing)).join(" ; ");
}

function checkedWords(name: string, text: unknown): string {
  if (typeof text === "string" && text.trim() !== "") return text;
  throw invalidArgument(name, "a text that is not empty", text);
}

function checkedLang(lang: unknown): string {
  if (typeof lang === "string" && /^[a-z]{2,3}(-[A-Za-z0-9]+)*$/.test(lang)) return lang;
  throw invalidArgument("lang", "the code of a language, such as en,", lang);
}
