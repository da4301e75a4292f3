import { Operator } from "./operator.js";
import type { GeneratedOps } from "./ops.generated.js";
import type { TypedOps } from "./ops-typed.js";
import { native } from "./runtime.js";

/**
 * Every operator of libtorch's dispatcher. The calling convention is in `docs/operators.md`:
 * arguments in the order of the schema, then one object of named ones.
 *
 * - `ops.add(a, b, { alpha: 2 })` runs at once,
 * - `ops.job.add(a, b, { alpha: 2, signal })` runs as a job,
 * - `ops.internal` holds operators whose name begins with an underscore,
 * - `ops.<namespace>` holds those outside `aten`.
 */
export type Ops = TypedOps<"direct"> & GeneratedOps<"direct"> & { readonly job: JobOps };

/** The operators of {@link Ops}, each returning a job. */
export type JobOps = TypedOps<"job"> & GeneratedOps<"job">;

const operators = new Map<string, Operator>();

/** The operator of that full name, e.g. `aten::add`. */
export function operator(name: string): Operator {
  let found = operators.get(name);
  if (found === undefined) {
    found = new Operator(name);
    operators.set(name, found);
  }
  return found;
}

let names: Set<string> | undefined;

function exists(name: string): boolean {
  names ??= new Set(native().operatorNames());
  return names.has(name);
}

function namespaces(): string[] {
  names ??= new Set(native().operatorNames());
  return [...new Set(Array.from(names, (name) => name.slice(0, name.indexOf("::"))))];
}

/**
 * An object whose properties come to be at first use. Only its prototype is a proxy, so that a
 * property that exists costs no more than any other.
 */
function lazily(make: (name: string) => unknown): Record<string, unknown> {
  const filled: Record<string, unknown> = Object.create(
    new Proxy(Object.create(null) as object, {
      get: (_, name) => {
        if (typeof name !== "string") return undefined;
        const value = make(name);
        if (value !== undefined) filled[name] = value;
        return value;
      },
    }),
  );
  return filled;
}

type Face = "direct" | "queued";

function operatorsOf(namespace: string, face: Face): Record<string, unknown> {
  return lazily((name) => {
    const full = `${namespace}::${name}`;
    return exists(full) ? operator(full)[face]() : undefined;
  });
}

function face(kind: Face): Record<string, unknown> {
  const aten = operatorsOf("aten", kind);
  return lazily((name) => {
    if (name === "internal") return aten;
    if (!name.startsWith("_") && exists(`aten::${name}`)) return aten[name];
    if (kind === "direct" && name === "job") return face("queued");
    return name !== "aten" && namespaces().includes(name) ? operatorsOf(name, kind) : undefined;
  });
}

/** {@inheritDoc Ops} */
export const ops = face("direct") as unknown as Ops;
