/** Questions about a clip, with answers. */
import { countOf } from "./captions.js";
import type { Random } from "./random.js";
import type { ShapesObject } from "./tracks.js";
import { COLORS, SHAPES } from "./vocabulary.js";
import { SHAPE_NOUNS } from "./words.js";

const KINDS = [
  "count",
  "color",
  "shape",
  "size",
  "fill",
  "motion",
  "existence",
  "relation",
] as const;

export interface Question {
  question: string;
  /** A number in digits, `yes`, `no`, or a word of the vocabulary. */
  answer: string;
  kind: (typeof KINDS)[number];
}

type Asked = Pick<Question, "question" | "answer">;

/** Draws of each kind before the questions of a clip are taken to be used up. */
const ROUNDS = 3;

/** At most `count` questions, no two alike, of as many kinds as the clip has answers to. */
export function drawQuestions(
  random: Random,
  objects: readonly ShapesObject[],
  count: number,
): Question[] {
  const questions = new Map<string, Question>();
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const kind of random.shuffled(KINDS)) {
      if (questions.size === count) return [...questions.values()];
      const asked = ask(random, kind, objects);
      if (asked) questions.set(asked.question, { ...asked, kind });
    }
  }
  return [...questions.values()];
}

function ask(
  random: Random,
  kind: Question["kind"],
  objects: readonly ShapesObject[],
): Asked | undefined {
  const one = random.pick(objects);
  const name = `${one.color} ${one.shape}`;
  const alone = (asked: { color?: string; shape?: string }) => countOf(objects, asked) === 1;
  switch (kind) {
    case "count":
      return askCount(random, objects, one);
    case "color":
      if (!alone({ shape: one.shape })) return undefined;
      return { question: `what color is the ${one.shape}?`, answer: one.color };
    case "shape":
      if (!alone({ color: one.color })) return undefined;
      return { question: `what shape is the ${one.color} object?`, answer: one.shape };
    case "size":
      if (!alone(one)) return undefined;
      return { question: `is the ${name} small, medium or large?`, answer: one.size };
    case "fill":
      if (!alone(one)) return undefined;
      return { question: `is the ${name} filled or outlined?`, answer: one.fill };
    case "motion":
      return alone(one) ? askMotion(random, one, name) : undefined;
    case "existence": {
      const there = random.chance(0.5);
      const asked = there ? one : { color: random.pick(COLORS), shape: random.pick(SHAPES) };
      const answer = countOf(objects, asked) > 0 ? "yes" : "no";
      return { question: `is there any ${asked.color} ${asked.shape}?`, answer };
    }
    case "relation": {
      const other = random.pick(objects);
      if (other === one || !alone(one) || !alone(other)) return undefined;
      return askRelation(random.pick(SIDES), one, other);
    }
  }
}

function askCount(
  random: Random,
  objects: readonly ShapesObject[],
  { color, shape }: ShapesObject,
): Asked {
  const absent = random.chance(0.25);
  const [asked, what] = random.pick([
    () => [{}, "shapes"] as const,
    () => {
      const value = absent ? random.pick(COLORS) : color;
      return [{ color: value }, `${value} shapes`] as const;
    },
    () => {
      const value = absent ? random.pick(SHAPES) : shape;
      return [{ shape: value }, SHAPE_NOUNS[value][0]![1]] as const;
    },
  ])();
  const answer = String(countOf(objects, asked));
  return { question: `how many ${what} are there?`, answer };
}

function askMotion(random: Random, { actions }: ShapesObject, name: string): Asked {
  if (actions.length === 1) {
    return { question: `what does the ${name} do?`, answer: actions[0]!.name };
  }
  const [when, action] = random.pick([
    ["first", actions[0]!],
    ["last", actions.at(-1)!],
  ] as const);
  return { question: `what does the ${name} do ${when}?`, answer: action.name };
}

/** Relations that boxes tell, and the axis along which they have to be in order. */
const SIDES = [
  ["left of", 0],
  ["above", 1],
] as const;

/** Asks of the first frame, and only where the answer is plain. */
function askRelation(
  [relation, axis]: (typeof SIDES)[number],
  one: ShapesObject,
  other: ShapesObject,
): Asked | undefined {
  const [a, b] = [one.amodalBoxes[0]!, other.amodalBoxes[0]!];
  const [yes, no] = [a[axis + 2]! <= b[axis]!, b[axis + 2]! <= a[axis]!];
  if (!yes && !no) return undefined;
  const names = [one, other].map(({ color, shape }) => `the ${color} ${shape}`);
  const question = `is ${names[0]} ${relation} ${names[1]} at the start?`;
  return { question, answer: yes ? "yes" : "no" };
}
