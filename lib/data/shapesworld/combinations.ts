/** Which combinations of attributes come, and how often. */
import { invalidArgument, TorchsightError } from "../../core/errors.js";
import { entriesOf, oneOf, someOf } from "./checks.js";
import type { PartialCombination, ShapesWorldOptions } from "./options.js";
import type { Random } from "./random.js";
import {
  ATTRIBUTES,
  type Attribute,
  type Combination,
  isPaired,
  leastFrames,
  type Motion,
  VOCABULARY,
} from "./vocabulary.js";
import { weightsOf } from "./weights.js";

export interface CombinationOptions
  extends Pick<ShapesWorldOptions, "vocabulary" | "weights" | "heldOut" | "split"> {
  /** Patterns need surfaces: then nothing is outlined. */
  filledOnly: boolean;
  /** Frames of the shortest clip, in the world. */
  leastFrames: number;
  /** Whether each clip has room for two objects. */
  pairs: boolean;
}

/** What is asked of a combination that is drawn. */
export interface Asked {
  /** Frames that its motion can take. */
  frames: number;
  /** Whether there is room for a second object. */
  paired: boolean;
  /** The motion, where it is decided. */
  motion?: Motion | undefined;
  /** Whether it must be one that is held out. */
  heldOut?: boolean | undefined;
}

/** Parts of 2^40: sums of all combinations stay exact. */
const PARTS = 2 ** 40;

interface Table {
  combinations: Combination[];
  sums: Float64Array;
}

export class Combinations {
  readonly split: "train" | "heldOut" | "all";
  readonly motions: readonly Motion[];
  readonly #all: [combination: Combination, weight: number][];
  readonly #heldOut: readonly PartialCombination[];
  readonly #motionWeights: ReadonlyMap<string, number>;
  readonly #tables = new Map<string, Table>();

  constructor(options: CombinationOptions) {
    const { split, heldOut, filledOnly } = options;
    this.split = oneOf("split", split, ["train", "heldOut", "all"]);
    this.#heldOut = checkedHeldOut(heldOut);
    const lists = listsOf(options.vocabulary, filledOnly);
    const given = new Map(entriesOf("weights", options.weights, ATTRIBUTES));
    const weights = new Map(
      ATTRIBUTES.map((key) => [key, weightsOf(`weights.${key}`, given.get(key), lists[key])]),
    );
    this.motions = lists.motion;
    this.#motionWeights = weights.get("motion")!;
    this.#all = allOf(lists, weights);
    const asked = { frames: options.leastFrames, paired: options.pairs };
    this.#require("a combination that fits the shortest clip", asked);
    if (this.split === "heldOut") {
      this.#require("one of heldOut that fits the shortest clip", { ...asked, heldOut: true });
    }
  }

  /** Whether there is a combination as asked for. */
  has(asked: Asked): boolean {
    return this.#table(asked).combinations.length > 0;
  }

  /** A combination with the probability that its weights give it among those asked for. */
  draw(random: Random, asked: Asked): Combination {
    const { combinations, sums } = this.#table(asked);
    return combinations[random.weighted(sums)]!;
  }

  /** Whether an object may have these attributes. */
  allows(combination: Combination): boolean {
    if (!isPossible(combination)) return false;
    return this.split !== "train" || !this.isHeldOut(combination);
  }

  isHeldOut(combination: Combination): boolean {
    return this.#heldOut.some((one) => belongsTo(combination, one));
  }

  /** One of some motions, by their weights; none where there is none to draw from. */
  drawMotion(random: Random, motions: readonly Motion[]): Motion | undefined {
    let total = 0;
    const sums = motions.map((motion) => {
      total += Math.round(this.#motionWeights.get(motion)! * PARTS);
      return total;
    });
    return total === 0 ? undefined : motions[random.weighted(Float64Array.from(sums))];
  }

  #require(name: string, asked: Asked): void {
    if (this.has(asked)) return;
    const { split } = this;
    throw new TorchsightError(
      "BAD_INPUT",
      `expected options that leave ${name} but none is left (split ${split})`,
    );
  }

  #table(asked: Asked): Table {
    // Clips of four frames have room for every motion.
    const frames = Math.min(4, asked.frames);
    const { paired, motion, heldOut = false } = asked;
    const key = [frames, paired, motion, heldOut].join();
    const known = this.#tables.get(key);
    if (known) return known;
    const rows = this.#all.filter(([one]) => {
      if (motion !== undefined && one.motion !== motion) return false;
      if (leastFrames(one.motion) > frames || (isPaired(one.motion) && !paired)) return false;
      return this.allows(one) && (!heldOut || this.isHeldOut(one));
    });
    let total = 0;
    const sums = rows.map(([, weight]) => {
      total += Math.max(1, Math.round(weight * PARTS));
      return total;
    });
    const table = { combinations: rows.map(([one]) => one), sums: Float64Array.from(sums) };
    this.#tables.set(key, table);
    return table;
  }
}

/** Whether an object has all the attributes that a combination names. */
export function belongsTo(object: Combination, combination: PartialCombination): boolean {
  return ATTRIBUTES.every((key) => {
    return combination[key] === undefined || combination[key] === object[key];
  });
}

/** A circle that spins looks as one that rests. */
function isPossible({ shape, motion }: Combination): boolean {
  return shape !== "circle" || motion !== "spin";
}

type Lists = { readonly [K in Attribute]: readonly Combination[K][] };

function listsOf(vocabulary: unknown, filledOnly: boolean): Lists {
  const given = new Map(entriesOf("vocabulary", vocabulary, ATTRIBUTES));
  if (filledOnly && !given.has("fill")) given.set("fill", ["filled"]);
  const lists = ATTRIBUTES.map((key) => {
    const names: readonly string[] = VOCABULARY[key];
    return [key, someOf(`vocabulary.${key}`, given.get(key) ?? names, names)] as const;
  });
  const { fill, ...rest } = Object.fromEntries(lists) as unknown as Lists;
  if (filledOnly && fill.includes("outlined")) {
    throw invalidArgument("vocabulary.fill", "filled alone where objects have textures", fill);
  }
  return { ...rest, fill };
}

function allOf(
  lists: Lists,
  weights: ReadonlyMap<Attribute, ReadonlyMap<string, number>>,
): [Combination, number][] {
  let rows: [Partial<Combination>, number][] = [[{}, 1]];
  for (const key of ATTRIBUTES) {
    rows = rows.flatMap(([row, weight]) => {
      return lists[key].map((value): [Partial<Combination>, number] => [
        { ...row, [key]: value },
        weight * weights.get(key)!.get(value)!,
      ]);
    });
  }
  return rows.filter(([, weight]) => weight > 0) as [Combination, number][];
}

function checkedHeldOut(heldOut: unknown): readonly PartialCombination[] {
  if (!Array.isArray(heldOut)) throw invalidArgument("heldOut", "a list of combinations", heldOut);
  return heldOut.map((one) => {
    const entries = entriesOf("heldOut", one, ATTRIBUTES);
    if (entries.length === 0) throw invalidArgument("heldOut", "attributes in each entry", one);
    for (const [key, value] of entries) oneOf<string>(`heldOut.${key}`, value, VOCABULARY[key]);
    return Object.fromEntries(entries);
  });
}
