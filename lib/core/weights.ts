/**
 * Declarative name tables: which tensors of a checkpoint make which parameter. A table is resolved
 * against the checkpoint's real names, strictly both ways: no parameter without a source, no tensor
 * without a use.
 */
import { TorchsightError } from "./errors.js";
import { nearest } from "./near.js";
import {
  formatShape,
  type LoadPlan,
  type PlanEntry,
  type PlanSource,
  type PlanStep,
  sameShape,
  shapeAfter,
  type TableStep,
} from "./plan.js";

/** One row of a name table. `{}` stands for the number of the layer in both columns. */
export interface Rule {
  /** The module's name of the parameter, e.g. `blocks.{}.attn.q.weight`. */
  to: string;
  /** The checkpoint's names of the tensors that make it, in the order that the steps expect. */
  from: string | readonly string[];
  steps?: readonly TableStep[];
}

/** What a header says of a tensor. */
export interface TensorHeader {
  dtype: string;
  shape: readonly number[];
  /** Absolute path of the file that holds it, unless `pieces` do. */
  file: string;
  /** The dimension that `pieces` divide, and their files in order. */
  cut?: number;
  pieces?: readonly { file: string }[];
}

/** All tensors of a checkpoint, by their names in it. */
export type TensorIndex = ReadonlyMap<string, TensorHeader>;

/** A parameter as the module declares it. */
export interface ParameterHeader {
  name: string;
  shape: readonly number[];
}

/** One naming of a system's weights: the module's own, or that of a public code base. */
export interface Dialect<Config> {
  /** As messages and `inspect` show it. */
  name: string;
  /** Whether a checkpoint with these tensors is of this dialect. */
  detect(tensors: TensorIndex): boolean;
  rules(config: Config, tensors: TensorIndex): readonly Rule[];
  /** Tells of a tensor whether it is none of the model's, such as another tower's. */
  ignores?(tensors: TensorIndex, config: Config): (name: string) => boolean;
  /** The config that the shapes tell, for files that come without a `config.json`. */
  inferConfig?(tensors: TensorIndex): unknown;
}

/** The dialect of a checkpoint. Throws `BAD_CHECKPOINT` where none fits. */
export function detectDialect<Config>(
  dialects: readonly Dialect<Config>[],
  tensors: TensorIndex,
  where: string,
): Dialect<Config> {
  const found = dialects.find((dialect) => dialect.detect(tensors));
  if (found) return found;
  const known = dialects.map((dialect) => dialect.name).join(", ");
  const first = [...tensors.keys()].slice(0, 3).join(", ") || "none at all";
  throw new TorchsightError(
    "BAD_CHECKPOINT",
    `expected tensors named as in one of ${known} in ${where} but received ${first}`,
    { reason: "UNKNOWN_DIALECT" },
  );
}

/**
 * Resolves a table into a flat plan for `parameters`. Throws `BAD_CHECKPOINT` with one report of
 * all that is missing, left over or of a wrong shape.
 */
export function resolvePlan(
  parameters: readonly ParameterHeader[],
  rules: readonly Rule[],
  tensors: TensorIndex,
  where: string,
  ignores: (name: string) => boolean = () => false,
): LoadPlan {
  const table = new Map(rules.map((rule) => [rule.to, rule]));
  const report = new Report();
  const used = new Set<string>();
  const entries: PlanEntry[] = [];
  for (const { name, shape } of parameters) {
    const match = findRule(table, name);
    if (!match) {
      report.missing.push(name);
      continue;
    }
    const names = [match.rule.from].flat().map((pattern) => fill(pattern, match.layer));
    const absent = names.filter((source) => !tensors.has(source));
    for (const source of names) used.add(source);
    if (absent.length > 0) {
      report.missing.push(...absent);
      continue;
    }
    const steps = (match.rule.steps ?? []).map((step) => resolveStep(step, match.layer));
    const headers = names.map((source) => tensors.get(source)!);
    report.checkShape(name, shape, steps, names, headers);
    const sources = names.map((tensor, index) => sourceOf(tensor, headers[index]!));
    entries.push({ target: name, sources, steps });
  }
  report.leftOver.push(...[...tensors.keys()].filter((name) => !used.has(name) && !ignores(name)));
  report.throwIfBad(where);
  return { entries };
}

function sourceOf(tensor: string, { file, cut, pieces }: TensorHeader): PlanSource {
  if (!pieces || cut === undefined) return { tensor, file };
  return { tensor, files: pieces.map((piece) => piece.file), dim: cut };
}

/** The rule of a parameter: by its name as it is, or with one number in it as the layer. */
function findRule(
  table: Map<string, Rule>,
  name: string,
): { rule: Rule; layer: number } | undefined {
  const exact = table.get(name);
  if (exact) return { rule: exact, layer: 0 };
  for (const match of name.matchAll(/(?<=^|\.)\d+(?=\.|$)/g)) {
    const pattern = `${name.slice(0, match.index)}{}${name.slice(match.index + match[0].length)}`;
    const rule = table.get(pattern);
    if (rule) return { rule, layer: Number(match[0]) };
  }
  return undefined;
}

function fill(pattern: string, layer: number): string {
  return pattern.replace("{}", String(layer));
}

function resolveStep(step: TableStep, layer: number): PlanStep {
  return step.kind === "unstack" ? { kind: "select", dim: step.dim, begin: layer } : step;
}

/** Everything that is wrong with a checkpoint, told at once. */
class Report {
  readonly missing: string[] = [];
  readonly leftOver: string[] = [];
  readonly wrongShapes: string[] = [];

  checkShape(
    name: string,
    expected: readonly number[],
    steps: PlanStep[],
    sources: string[],
    headers: TensorHeader[],
  ): void {
    const from = sources.join(" and ");
    try {
      const shape = shapeAfter(
        steps,
        headers.map((header) => [...header.shape]),
      );
      if (sameShape(shape, expected)) return;
      const read = from === name ? "" : ` from ${from}`;
      this.wrongShapes.push(`${name}${read}: ${formatShape(shape)} not ${formatShape(expected)}`);
    } catch (error) {
      if (!(error instanceof TorchsightError)) throw error;
      this.wrongShapes.push(`${name} from ${from}: ${error.message}`);
    }
  }

  throwIfBad(where: string): void {
    const withNear = (name: string) => {
      const near = nearest(name, this.leftOver);
      return near ? `${name} (there is ${near})` : name;
    };
    const parts = [
      summarise(this.missing, "missing", withNear),
      summarise(this.leftOver, "left over"),
      summarise(this.wrongShapes, "of a wrong shape"),
    ].filter((part) => part !== "");
    if (parts.length === 0) return;
    throw new TorchsightError(
      "BAD_CHECKPOINT",
      `the tensors in ${where} do not fit the model: ${parts.join("; ")}`,
      { reason: "NAMES_OR_SHAPES" },
    );
  }
}

/** `3 missing: a, b, c`, on one line and with at most six of them spelled out by `show`. */
function summarise(
  items: readonly string[],
  what: string,
  show: (item: string) => string = (item) => item,
): string {
  if (items.length === 0) return "";
  const shown = items.slice(0, 6).map(show).join(", ");
  const more = items.length > 6 ? `, and ${items.length - 6} more` : "";
  return `${items.length} ${what}: ${shown}${more}`;
}
