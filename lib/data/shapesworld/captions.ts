/** Captions of a clip. */
import type { Meaning, Mention, Statement } from "./meaning.js";
import type { Random } from "./random.js";
import type { RelationSpan, ShapesObject } from "./tracks.js";
import { COLORS, isPaired, SHAPES, VOCABULARY } from "./vocabulary.js";
import { type Choose, plainest, sentenceOf } from "./writing.js";

export interface Caption {
  text: string;
  /** What the text says. */
  meaning: Meaning;
  /** False for one that was made to say something wrong. */
  faithful: boolean;
}

/** What captions tell of an object. */
type Told = Pick<ShapesObject, "id" | "shape" | "color" | "size" | "fill" | "actions">;

/**
 * Captions: the first tells what all objects do, plainly and in full; others tell of all, of one,
 * of two, or of how many there are, in any of the grammar's ways.
 *
 * @param relations - asked for only where a caption may tell of one
 */
export function drawCaptions(
  random: Random,
  objects: readonly Told[],
  relations: () => readonly RelationSpan[],
  count: number,
  noise: number,
): Caption[] {
  return Array.from({ length: count }, (_, at) => {
    const first = at === 0;
    const choose: Choose = first ? plainest : (ways) => random.pick(ways);
    const truth = first
      ? sceneMeaning(objects, (object) => mentionOf(object, true, true))
      : drawMeaning(random, objects, relations);
    const faithful = !random.chance(noise);
    const meaning = faithful ? truth : distorted(random, truth, objects);
    return { text: sentenceOf(meaning, choose), meaning, faithful };
  });
}

type Mentioning = (object: Told) => Mention;

function mentionOf({ shape, color, size, fill }: Told, sized: boolean, filled: boolean): Mention {
  return { shape, color, ...(sized && { size }), ...(filled && { fill }) };
}

function drawMeaning(
  random: Random,
  objects: readonly Told[],
  relations: () => readonly RelationSpan[],
): Meaning {
  const [sized, filled] = [random.chance(0.5), random.chance(0.5)];
  const mention: Mentioning = (object) => mentionOf(object, sized, filled);
  switch (random.pick(["scene", "object", "relation", "count"])) {
    case "count":
      return countMeaning(random, objects);
    case "relation": {
      const holding = relations().filter(({ start }) => start === 0);
      if (holding.length === 0) return sceneMeaning(objects, mention);
      const { subject, relation, object } = random.pick(holding);
      const [a, b] = [mention(objects[subject]!), mention(objects[object]!)];
      return { kind: "relation", subject: a, relation, object: b };
    }
    case "object": {
      const one = random.pick(objects);
      return { kind: "actions", statements: [statementOf(one, objects, mention)] };
    }
    default:
      return sceneMeaning(objects, mention);
  }
}

function countMeaning(random: Random, objects: readonly Told[]): Meaning {
  const { color, shape } = random.pick(objects);
  const asked = random.pick([{}, { color }, { shape }]);
  return { kind: "count", count: countOf(objects, asked), ...asked };
}

/** How many objects have the attributes named. */
export function countOf(
  objects: readonly Told[],
  asked: { color?: string; shape?: string },
): number {
  return objects.filter(({ color, shape }) => {
    return (asked.color ?? color) === color && (asked.shape ?? shape) === shape;
  }).length;
}

/** What all do. Of two who meet and part, the first tells for both. */
function sceneMeaning(objects: readonly Told[], mention: Mentioning): Meaning {
  const speakers = objects.filter((object) => (partnerOf(object) ?? object.id) >= object.id);
  const statements = speakers.map((object) => statementOf(object, objects, mention));
  return { kind: "actions", statements };
}

function statementOf(object: Told, objects: readonly Told[], mention: Mentioning): Statement {
  const partner = partnerOf(object);
  return {
    subject: mention(object),
    motions: object.actions.map(({ name }) => name),
    ...(partner !== undefined && { partner: mention(objects[partner]!) }),
  };
}

function partnerOf({ actions }: Told): number | undefined {
  return actions.find((action) => action.with !== undefined)?.with;
}

/** A meaning that is wrong: with a number, an object or a motion that there is not. */
function distorted(random: Random, meaning: Meaning, objects: readonly Told[]): Meaning {
  if (meaning.kind === "count") {
    const count = meaning.count > 1 && random.chance(0.5) ? meaning.count - 1 : meaning.count + 1;
    return { ...meaning, count };
  }
  if (meaning.kind === "relation") {
    return { ...meaning, subject: otherMention(random, meaning.subject, objects) };
  }
  const wrong = random.below(meaning.statements.length);
  const statements = meaning.statements.map((statement, at) => {
    if (at !== wrong) return statement;
    const { motions, subject } = statement;
    const made = new Set(objects.flatMap(({ actions }) => actions.map(({ name }) => name)));
    const unmade = VOCABULARY.motion.filter((motion) => !isPaired(motion) && !made.has(motion));
    if (motions.some(isPaired) || unmade.length === 0 || random.chance(0.5)) {
      return { ...statement, subject: otherMention(random, subject, objects) };
    }
    return { ...statement, motions: [random.pick(unmade), ...motions.slice(1)] };
  });
  return { kind: "actions", statements };
}

/** The mention with another colour or shape, so that it fits nothing there. */
function otherMention(random: Random, mention: Mention, objects: readonly Told[]): Mention {
  const others = [
    ...COLORS.map((color) => ({ ...mention, color })),
    ...SHAPES.map((shape) => ({ ...mention, shape })),
  ];
  // Of 17 others at most 15 are there: a clip has no more objects besides the one mentioned.
  return random.pick(others.filter(({ color, shape }) => countOf(objects, { color, shape }) === 0));
}
