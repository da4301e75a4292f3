/** Sentences to meanings. */
import { invalidArgument } from "../../core/errors.js";
import type { Meaning, Mention, Statement } from "./meaning.js";
import type { Color, Fill, Motion, Relation, Shape, Size } from "./vocabulary.js";
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

/** Phrases, as words, with what each means; longer ones first, since they may begin alike. */
type Phrases<Meant> = readonly (readonly [words: readonly string[], meant: Meant])[];

function phrases<Meant>(entries: readonly (readonly [string, Meant])[]): Phrases<Meant> {
  const split = entries.map(([text, meant]) => [text.split(" "), meant] as const);
  return split.sort(([a], [b]) => b.length - a.length);
}

function inverse<Name extends string>(table: Readonly<Record<Name, readonly string[]>>) {
  const entries = Object.entries<readonly string[]>(table);
  return phrases(entries.flatMap(([name, ways]) => ways.map((way) => [way, name as Name])));
}

const SIZES: Phrases<Size> = inverse(SIZE_WORDS);
const FILLS: Phrases<Fill> = inverse(FILL_WORDS);
const COLORS: Phrases<Color> = inverse(COLOR_WORDS);
const MOTIONS: Phrases<Motion> = inverse(MOTION_PHRASES);
const SHAPES: Phrases<Shape> = phrases(
  Object.entries(SHAPE_NOUNS).flatMap(([shape, nouns]) => {
    return nouns.flat().map((noun) => [noun, shape as Shape] as const);
  }),
);
const ANY: Phrases<undefined> = phrases(ANY_NOUNS.flat().map((noun) => [noun, undefined]));
const COUNTS: Phrases<number> = phrases(NUMBERS.map((word, count) => [word, count]));
const RELATIONS: Phrases<{ relation: Relation; back: boolean }> = phrases<{
  relation: Relation;
  back: boolean;
}>(
  Object.entries(RELATION_PHRASES).flatMap(([name, { ahead, back }]) => {
    const relation = name as Relation;
    return [
      ...ahead.map((way) => [way, { relation, back: false }] as const),
      ...back.map((way) => [way, { relation, back: true }] as const),
    ];
  }),
);
const THERE: Phrases<true> = phrases([
  ["there is", true],
  ["there are", true],
]);
const PRESENT: Phrases<true> = phrases([
  ["is in the picture", true],
  ["are in the picture", true],
]);
const ARTICLES: Phrases<true> = phrases([
  ["a", true],
  ["an", true],
]);
const JOINTS: Phrases<true> = phrases([
  ["while", true],
  ["and", true],
]);
const THEN: Phrases<true> = phrases([[", then", true]]);
const IT: Phrases<true> = phrases([["it", true]]);

/**
 * What a caption of Shapes World says. The grammar is that of the captions themselves, so that it
 * also judges sentences that a model has written.
 *
 * @throws `BAD_INPUT` for what is no sentence of it
 *
 * @example
 * ```ts
 * parseCaption("a tiny hollow disc spins, then moves left");
 * // {kind: "actions", statements: [{subject: {shape: "circle", …}, motions: ["spin", "left"]}]}
 * ```
 */
export function parseCaption(text: string): Meaning {
  if (typeof text !== "string") throw invalidArgument("the caption", "a text", text);
  const plain = text.toLowerCase().replace(/\.\s*$/, "");
  const words = plain.replaceAll(",", " ,").split(/\s+/).filter(Boolean);
  const reader = new Reader(words);
  const meaning = reader.count() ?? reader.relation() ?? reader.actions();
  if (meaning && reader.ended) return meaning;
  throw invalidArgument("the caption", "a sentence of Shapes World", text);
}

class Reader {
  #at = 0;

  constructor(readonly words: readonly string[]) {}

  get ended(): boolean {
    return this.#at === this.words.length;
  }

  count(): Meaning | undefined {
    return this.#attempt(() => {
      const there = this.#next(THERE) !== undefined;
      const count = this.#next(COUNTS);
      if (count === undefined) return undefined;
      const color = this.#next(COLORS);
      const shape = this.#next(SHAPES);
      if (shape === undefined && !this.#skip(ANY)) return undefined;
      if (!there && this.#next(PRESENT) === undefined) return undefined;
      return { kind: "count", count, ...(color && { color }), ...(shape && { shape }) };
    });
  }

  relation(): Meaning | undefined {
    return this.#attempt(() => {
      const first = this.#mention();
      const found = first && this.#next(RELATIONS);
      const second = found && this.#mention();
      if (!second) return undefined;
      const { relation, back } = found;
      const [subject, object] = back ? [second, first] : [first, second];
      return { kind: "relation", subject, relation, object };
    });
  }

  actions(): Meaning | undefined {
    const statements: Statement[] = [];
    do {
      const statement = this.#statement();
      if (!statement) return undefined;
      statements.push(statement);
    } while (this.#next(JOINTS));
    return { kind: "actions", statements };
  }

  #statement(): Statement | undefined {
    const subject = this.#mention();
    if (!subject) return undefined;
    const statement: Statement = { subject, motions: [] };
    do {
      const motion = this.#next(MOTIONS);
      if (motion === undefined) return undefined;
      statement.motions.push(motion);
      if (!isPaired(motion)) continue;
      if (statement.partner && this.#next(IT)) continue;
      const partner = this.#mention();
      if (!partner) return undefined;
      statement.partner = partner;
    } while (this.#next(THEN));
    return statement;
  }

  /** An article, adjectives in any order, and a noun. */
  #mention(): Mention | undefined {
    if (!this.#next(ARTICLES)) return undefined;
    let size: Size | undefined;
    let fill: Fill | undefined;
    let color: Color | undefined;
    for (let before = -1; before !== this.#at; ) {
      before = this.#at;
      size ??= this.#next(SIZES);
      fill ??= this.#next(FILLS);
      color ??= this.#next(COLORS);
    }
    const shape = this.#next(SHAPES);
    if (!shape || !color) return undefined;
    return { shape, color, ...(size && { size }), ...(fill && { fill }) };
  }

  /** Reads one of some phrases, if one follows. */
  #next<Meant>(table: Phrases<Meant>): Meant | undefined {
    const found = table.find(([words]) => {
      return words.every((word, at) => this.words[this.#at + at] === word);
    });
    this.#at += found?.[0].length ?? 0;
    return found?.[1];
  }

  /** Reads one of some phrases that mean nothing; whether one followed. */
  #skip(table: Phrases<undefined>): boolean {
    const before = this.#at;
    this.#next(table);
    return this.#at > before;
  }

  /** Reads something, or nothing where it does not follow. */
  #attempt(read: () => Meaning | undefined): Meaning | undefined {
    const before = this.#at;
    const meaning = read();
    if (meaning === undefined) this.#at = before;
    return meaning;
  }
}
