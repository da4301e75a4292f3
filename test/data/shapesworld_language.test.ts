/** Shapes World: captions, relations, counts and questions, judged by the objects' tracks alone. */
import test from "ava";
import { TorchsightError } from "../../lib/core/errors.js";
import {
  COLORS,
  type Meaning,
  type Mention,
  parseCaption,
  SHAPES,
  type ShapesClip,
  type ShapesObject,
  type Statement,
} from "../../lib/data/shapesworld/index.js";
import { clipsOf } from "./shapesworld.js";

const WORLDS = [
  { seed: 31, captions: 8, questions: 20 },
  { seed: 32, captions: 8, questions: 20, objects: [3, 6], size: [48, 80] },
  { seed: 33, captions: 8, questions: 20, occlusion: "heavy", frames: 40, objects: 4 },
  { seed: 34, captions: 8, questions: 20, vocabulary: { motion: ["meet", "part", "still"] } },
  { seed: 35, captions: 8, questions: 20, frames: 1, vocabulary: { shape: ["star", "bar"] } },
] as const;

const clips = WORLDS.flatMap((options) => clipsOf(40, options));

function fits(object: ShapesObject, mention: Mention): boolean {
  return Object.entries(mention).every(([key, value]) => object[key as "shape"] === value);
}

function does(clip: ShapesClip, object: ShapesObject, { motions, partner }: Statement): boolean {
  const made = object.actions.map(({ name }) => name);
  if (made.join() !== motions.join()) return false;
  const ids = new Set(object.actions.flatMap((action) => action.with ?? []));
  if (partner === undefined) return ids.size === 0;
  return ids.size === 1 && fits(clip.objects[[...ids][0]!]!, partner);
}

/** Whether statements can be given to objects, each its own. */
function areTold(
  clip: ShapesClip,
  statements: readonly Statement[],
  taken: number[] = [],
): boolean {
  const [first, ...rest] = statements;
  if (first === undefined) return true;
  return clip.objects.some((object) => {
    if (taken.includes(object.id) || !fits(object, first.subject)) return false;
    return does(clip, object, first) && areTold(clip, rest, [...taken, object.id]);
  });
}

/** What holds in a frame, by boxes; who hides whom, by the visibility of the one behind. */
function holds(a: ShapesObject, relation: string, b: ShapesObject, frame = 0) {
  const [one, other] = [a.amodalBoxes[frame]!, b.amodalBoxes[frame]!];
  if (relation === "left of") return one[2] <= other[0];
  if (relation === "above") return one[3] <= other[1];
  const overlap = one[0] < other[2] && other[0] < one[2] && one[1] < other[3] && other[1] < one[3];
  return a.id > b.id && overlap && b.visibility[frame]! < 1;
}

function isTrue(clip: ShapesClip, meaning: Meaning): boolean {
  if (meaning.kind === "actions") return areTold(clip, meaning.statements);
  if (meaning.kind === "count") {
    const { count, color, shape } = meaning;
    const found = clip.objects.filter((object) => {
      return (color ?? object.color) === object.color && (shape ?? object.shape) === object.shape;
    });
    return found.length === count;
  }
  const { subject, relation, object } = meaning;
  return clip.objects.some((a) => {
    return clip.objects.some((b) => {
      return a !== b && fits(a, subject) && fits(b, object) && holds(a, relation, b);
    });
  });
}

test("captions are read as they were meant, and are true", (t) => {
  const kinds = new Set<string>();
  const texts = new Set<string>();
  for (const clip of clips) {
    t.is(clip.captions.length, 8);
    for (const { text, meaning, faithful } of clip.captions) {
      t.deepEqual(parseCaption(text), meaning, text);
      t.true(isTrue(clip, parseCaption(text)), text);
      t.true(faithful);
      kinds.add(meaning.kind);
      texts.add(text);
    }
  }
  t.deepEqual([...kinds].sort(), ["actions", "count", "relation"]);
  t.true(texts.size > 1000, `${texts.size}`);
});

test("the first caption tells of every object, plainly and in full", (t) => {
  for (const clip of clips) {
    const meaning = parseCaption(clip.captions[0]!.text);
    if (meaning.kind !== "actions") return t.fail(meaning.kind);
    const told = meaning.statements.flatMap(({ subject, partner }) => [subject, partner ?? []]);
    const sorted = (mentions: readonly Mention[]) => {
      return mentions
        .map(({ shape, color, size, fill }) => [shape, color, size, fill].join())
        .sort();
    };
    t.deepEqual(sorted(told.flat()), sorted(clip.objects));
  }
});

test("there are several ways to say the same, and all are read", (t) => {
  const options = { seed: 36, captions: 64, objects: 1, vocabulary: { motion: ["left"] } } as const;
  for (const clip of clipsOf(3, options)) {
    const texts = new Set(clip.captions.map(({ text }) => text));
    t.true(texts.size > 20, `${texts.size}`);
  }
  t.deepEqual(parseCaption("A tiny hollow red disc spins, then is moving to the left."), {
    kind: "actions",
    statements: [
      {
        subject: { shape: "circle", color: "red", size: "small", fill: "outlined" },
        motions: ["spin", "left"],
      },
    ],
  });
});

test("what is no sentence of the grammar is refused", (t) => {
  for (const text of [
    "",
    "a cat",
    "a red",
    "a red star",
    "red star spins",
    "a red star spins then",
    "a red star spins, then",
    "a red star spins while",
    "a red star meets",
    "a red star meets it",
    "a red star is left of",
    "there are many stars",
    "two stars",
    "a red blue star spins",
    "a red star spins a blue star",
  ]) {
    const error = t.throws(() => parseCaption(text), { instanceOf: TorchsightError });
    t.is(error?.code, "BAD_INPUT", text);
  }
  t.is(t.throws<TorchsightError>(() => parseCaption(3 as never))?.code, "BAD_INPUT");
});

test("noisy captions are wrong, marked, and as many as asked", (t) => {
  const options = { seed: 37, captions: 20, objects: [2, 4] } as const;
  for (const clip of clipsOf(60, { ...options, captionNoise: 1 })) {
    for (const { text, meaning, faithful } of clip.captions) {
      t.false(faithful);
      t.deepEqual(parseCaption(text), meaning, text);
      t.false(isTrue(clip, meaning), text);
    }
  }
  // Where nearly all colours and shapes are there, too.
  const crowd = { seed: 38, objects: 16, size: [300, 300], frames: 1, captionNoise: 1 } as const;
  for (const clip of clipsOf(20, crowd)) {
    for (const { text, meaning } of clip.captions) t.false(isTrue(clip, meaning), text);
  }
  const half = clipsOf(60, { ...options, captionNoise: 0.3 }).flatMap((clip) => {
    for (const { faithful, meaning } of clip.captions) t.is(isTrue(clip, meaning), faithful);
    return clip.captions;
  });
  const share = half.filter(({ faithful }) => !faithful).length / half.length;
  t.true(Math.abs(share - 0.3) < 0.04, `${share}`);
});

test("relations hold in the frames told, and in no others", (t) => {
  let spans = 0;
  for (const clip of clips) {
    for (const { start, end, subject, object } of clip.relations) {
      t.true(start < end && end <= clip.frames / clip.fps + 1e-9);
      t.not(subject, object);
    }
    for (const relation of ["left of", "above"]) {
      for (const a of clip.objects) {
        for (const b of clip.objects.filter((one) => one !== a)) {
          const told = clip.relations.filter((one) => {
            return one.relation === relation && one.subject === a.id && one.object === b.id;
          });
          for (let frame = 0; frame < clip.frames; frame += 1) {
            const time = (frame + 0.5) / clip.fps;
            const within = told.filter(({ start, end }) => start < time && time < end);
            t.is(within.length, holds(a, relation, b, frame) ? 1 : 0);
          }
          spans += told.length;
        }
      }
    }
  }
  t.true(spans > 300, `${spans}`);
});

test("counts are those of the objects", (t) => {
  for (const { counts, objects } of clips) {
    t.is(counts.objects, objects.length);
    for (const key of ["shape", "color"] as const) {
      const names = key === "shape" ? SHAPES : COLORS;
      for (const name of names) {
        t.is(counts[key][name] ?? 0, objects.filter((one) => one[key] === name).length);
      }
    }
  }
});

/** The only object of which something is true. */
function only(clip: ShapesClip, wanted: Partial<Mention>): ShapesObject {
  const found = clip.objects.filter((object) => fits(object, wanted as Mention));
  if (found.length !== 1) throw new Error(`${found.length} are ${JSON.stringify(wanted)}`);
  return found[0]!;
}

const NAMED = `(${COLORS.join("|")}) (${SHAPES.join("|")})`;
const PLURALS: Readonly<Record<string, string>> = { pluses: "plus" };

/** For each question its answer by the tracks. */
const ANSWERS: readonly [RegExp, (clip: ShapesClip, ...words: string[]) => string][] = [
  [/^how many shapes are there\?$/, ({ objects }) => `${objects.length}`],
  [
    /^how many (\w+) shapes are there\?$/,
    ({ objects }, color) => `${objects.filter((one) => one.color === color).length}`,
  ],
  [
    /^how many (\w+) are there\?$/,
    ({ objects }, noun) => {
      const shape = PLURALS[noun!] ?? noun!.slice(0, -1);
      return `${objects.filter((one) => one.shape === shape).length}`;
    },
  ],
  [/^what color is the (\w+)\?$/, (clip, shape) => only(clip, { shape: shape as "star" }).color],
  [
    /^what shape is the (\w+) object\?$/,
    (clip, color) => only(clip, { color: color as "red" }).shape,
  ],
  [
    new RegExp(`^is the ${NAMED} small, medium or large\\?$`),
    (clip, color, shape) => only(clip, { color, shape } as Mention).size,
  ],
  [
    new RegExp(`^is the ${NAMED} filled or outlined\\?$`),
    (clip, color, shape) => only(clip, { color, shape } as Mention).fill,
  ],
  [
    new RegExp(`^what does the ${NAMED} do( first| last)?\\?$`),
    (clip, color, shape, when) => {
      const { actions } = only(clip, { color, shape } as Mention);
      if (when === undefined && actions.length > 1) throw new Error("which of them?");
      return actions.at(when === " last" ? -1 : 0)!.name;
    },
  ],
  [
    new RegExp(`^is there any ${NAMED}\\?$`),
    ({ objects }, color, shape) => {
      return objects.some((one) => one.color === color && one.shape === shape) ? "yes" : "no";
    },
  ],
  [
    new RegExp(`^is the ${NAMED} (left of|above) the ${NAMED} at the start\\?$`),
    (clip, color, shape, relation, otherColor, otherShape) => {
      const a = only(clip, { color, shape } as Mention);
      const b = only(clip, { color: otherColor, shape: otherShape } as Mention);
      const [yes, no] = [holds(a, relation!, b), holds(b, relation!, a)];
      if (yes === no) throw new Error("neither");
      return yes ? "yes" : "no";
    },
  ],
];

test("answers are what the tracks say", (t) => {
  const answers = new Map<string, Map<string, number>>();
  for (const clip of clips) {
    const { questions } = clip;
    t.true(questions.length > 0 && questions.length <= 20);
    t.is(new Set(questions.map(({ question }) => question)).size, questions.length);
    for (const { question, answer, kind } of questions) {
      const asked = ANSWERS.filter(([pattern]) => pattern.test(question));
      t.true(asked.length > 0, question);
      const [pattern, answerOf] = asked[0]!;
      t.is(answerOf(clip, ...pattern.exec(question)!.slice(1)), answer, question);
      const seen = answers.get(kind) ?? new Map<string, number>();
      answers.set(kind, seen.set(answer, (seen.get(answer) ?? 0) + 1));
    }
  }
  t.deepEqual([...answers.keys()].sort(), [
    "color",
    "count",
    "existence",
    "fill",
    "motion",
    "relation",
    "shape",
    "size",
  ]);
  for (const kind of ["existence", "relation"]) {
    const [yes, no] = ["yes", "no"].map((word) => answers.get(kind)!.get(word)!);
    t.true(yes! / (yes! + no!) > 0.35 && yes! / (yes! + no!) < 0.65, `${kind}: ${yes} ${no}`);
  }
  t.true(answers.get("count")!.size >= 4);
  t.true(answers.get("motion")!.size >= 10);
});
