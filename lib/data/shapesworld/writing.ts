/** Meanings to sentences. */
import type { Meaning, Mention, Statement } from "./meaning.js";
import type { Motion } from "./vocabulary.js";
import { isPaired } from "./vocabulary.js";
import {
  ANY_NOUNS,
  COLOR_WORDS,
  FILL_WORDS,
  MOTION_PHRASES,
  NUMBERS,
  RELATION_PHRASES,
  SHAPE_NOUNS,
  SIZE_WORDS,
} from "./words.js";

/** Chooses among ways to say the same. */
export type Choose = <T>(ways: readonly T[]) => T;

/** The plainest way. */
export const plainest: Choose = (ways) => ways[0]!;

/** Tells what is meant; {@link parseCaption} reads every sentence that can come of it. */
export function sentenceOf(meaning: Meaning, choose: Choose): string {
  switch (meaning.kind) {
    case "actions": {
      const parts = meaning.statements.map((statement) => clauseOf(statement, choose));
      return parts.join(choose([" while ", " and "]));
    }
    case "relation":
      return relationOf(meaning, choose);
    case "count":
      return countOf(meaning, choose);
  }
}

/** The object with an article, e.g. "a small red star". */
export function nounPhrase(mention: Mention, choose: Choose): string {
  const words = wordsOf(mention, choose);
  return `${/^[aeiou]/.test(words) ? "an" : "a"} ${words}`;
}

function wordsOf({ size, fill, color, shape }: Mention, choose: Choose): string {
  const adjectives = [size && choose(SIZE_WORDS[size]), fill && choose(FILL_WORDS[fill])];
  const [noun] = choose(SHAPE_NOUNS[shape]);
  const colored = [choose(COLOR_WORDS[color])];
  const ordered = choose([
    [adjectives[0], ...colored, adjectives[1]],
    [...adjectives, ...colored],
  ]);
  return [...ordered, noun].filter((word) => word !== undefined).join(" ");
}

function clauseOf({ subject, motions, partner }: Statement, choose: Choose): string {
  let named = false;
  const phrases = motions.map((motion: Motion) => {
    const phrase = choose(MOTION_PHRASES[motion]);
    if (!isPaired(motion) || partner === undefined) return phrase;
    const other = named ? "it" : nounPhrase(partner, choose);
    named = true;
    return `${phrase} ${other}`;
  });
  return `${nounPhrase(subject, choose)} ${phrases.join(", then ")}`;
}

function relationOf(
  { subject, relation, object }: Meaning & { kind: "relation" },
  choose: Choose,
): string {
  const { ahead, back } = RELATION_PHRASES[relation];
  const [phrases, first, second] = choose([
    [ahead, subject, object],
    [back, object, subject],
  ] as const);
  return `${nounPhrase(first, choose)} ${choose(phrases)} ${nounPhrase(second, choose)}`;
}

function countOf({ count, color, shape }: Meaning & { kind: "count" }, choose: Choose): string {
  const [one, many] = choose(shape ? SHAPE_NOUNS[shape] : ANY_NOUNS);
  const noun = count === 1 ? one : many;
  const counted = [NUMBERS[count], color && choose(COLOR_WORDS[color]), noun];
  const words = counted.filter((word) => word !== undefined).join(" ");
  const verb = count === 1 ? "is" : "are";
  return choose([`there ${verb} ${words}`, `${words} ${verb} in the picture`]);
}
