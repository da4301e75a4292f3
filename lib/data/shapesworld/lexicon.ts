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

/** What stands between the words of `words.ts`. */
const GLUE = "a an the it and then while with of is are there in picture , -";

/** Every word of Shapes World's captions, in order of the alphabet. */
export function captionWords(): string[] {
  const phrases = [
    GLUE,
    ...NUMBERS,
    ...ANY_NOUNS.flat(),
    ...Object.values(SHAPE_NOUNS).flat(2),
    ...[SIZE_WORDS, FILL_WORDS, COLOR_WORDS, MOTION_PHRASES].flatMap((words) => {
      return Object.values(words).flat();
    }),
    ...Object.values(RELATION_PHRASES).flatMap(({ ahead, back }) => [...ahead, ...back]),
  ];
  const words = phrases.flatMap((phrase) => phrase.match(/[a-z]+|[^\sa-z]/g) ?? []);
  return [...new Set(words)].sort();
}
