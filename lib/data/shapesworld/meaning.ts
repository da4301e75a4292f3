import type { Color, Fill, Motion, Relation, Shape, Size } from "./vocabulary.js";

/** What a caption says of an object. */
export interface Mention {
  shape: Shape;
  color: Color;
  size?: Size;
  fill?: Fill;
}

/** What an object does, one thing after the other, and with whom if with another. */
export interface Statement {
  subject: Mention;
  motions: Motion[];
  partner?: Mention;
}

/** What a caption says. */
export type Meaning =
  | { kind: "actions"; statements: Statement[] }
  /** Of the first frame. */
  | { kind: "relation"; subject: Mention; relation: Relation; object: Mention }
  | { kind: "count"; count: number; color?: Color; shape?: Shape };
