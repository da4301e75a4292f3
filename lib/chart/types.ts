/** What charts are made of. */

/** A place of a series. One that is no number, or not above 0 on a logarithmic axis, is a gap. */
export interface Point {
  x: number;
  y: number;
  /** Ends of an interval about `y`: a band along a line, a bar at a mark. */
  low?: number | undefined;
  high?: number | undefined;
}

/** Points that belong together. */
export interface Series {
  /** For the legend. */
  name: string;
  points: readonly Point[];
  /** Default `line`. */
  kind?: "line" | "marks" | "both" | undefined;
}

/** One direction of a chart. */
export interface Axis {
  label: string;
  /** Default `linear`. */
  scale?: "linear" | "log" | undefined;
  /** Default: as far as the points reach. */
  range?: readonly [low: number, high: number] | undefined;
}

/** A level that the values are compared with. */
export interface Level {
  y: number;
  label: string;
}

/** Series over a pair of axes. */
export interface Chart {
  title: string;
  x: Axis;
  y: Axis;
  series: readonly Series[];
  levels?: readonly Level[] | undefined;
}

/** Charts beside and below each other. */
export interface Figure {
  charts: readonly Chart[];
  /** Default 1: all below each other. */
  columns?: number | undefined;
  /** Of one chart, in pixels. Default 720 x 320. */
  width?: number | undefined;
  height?: number | undefined;
}
