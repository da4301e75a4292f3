import test from "ava";
import { backward, type DType, ops, Tensor, tidy } from "torchsight";
import { decode, difference, type Encoded, fixture } from "./fixture.js";

interface Case {
  op: string;
  dtype: DType;
  args: Encoded[];
  options: Record<string, Encoded>;
  results: Encoded[];
  seeds?: Encoded[];
  gradients?: Encoded[];
}

type Call = (...args: unknown[]) => unknown;

const cases = fixture<Case[]>("values");
const byOperator = new Map<string, Case[]>();
for (const entry of cases) byOperator.set(entry.op, [...(byOperator.get(entry.op) ?? []), entry]);

function lookUp(table: object, name: string): Call {
  const owner = name.startsWith("_") ? (table as typeof ops).internal : table;
  return (owner as Record<string, Call>)[name] as Call;
}

function inputs({ args, options }: Case): { values: unknown[]; call: unknown[] } {
  const values = args.map(decode);
  const named = Object.entries(options).map(([name, value]) => [name, decode(value)]);
  return { values, call: named.length > 0 ? [...values, Object.fromEntries(named)] : values };
}

function tensorsIn(values: readonly unknown[]): Tensor[] {
  return values.flatMap((value) =>
    value instanceof Tensor ? [value] : Array.isArray(value) ? tensorsIn(value) : [],
  );
}

const FLOATING: readonly DType[] = ["float32", "float64"];

async function check(entry: Case, run: (call: unknown[]) => unknown): Promise<string | undefined> {
  const { values, call } = inputs(entry);
  const leaves = tensorsIn(values).filter(({ dtype }) => FLOATING.includes(dtype));
  if (entry.gradients) for (const leaf of leaves) leaf.requiresGrad = true;
  const result = await run(call);
  const results = Array.isArray(result) ? result : [result];
  const wrong = await difference(results, entry.results);
  if (wrong !== undefined || !entry.gradients) return wrong;
  const roots = tensorsIn(results).filter(({ requiresGrad }) => requiresGrad);
  await backward(roots, { gradient: (entry.seeds ?? []).map(decode) as Tensor[] });
  const found = await difference(
    leaves.map(({ grad }) => grad),
    entry.gradients,
  );
  return found && `gradient ${found}`;
}

test("the table covers at least 150 operators", (t) => {
  t.true(byOperator.size >= 150);
  t.true(new Set(cases.map(({ dtype }) => dtype)).size >= 10);
});

for (const [name, entries] of byOperator) {
  test(`aten::${name} gives PyTorch's values and gradients`, async (t) => {
    for (const entry of entries) {
      const wrong = await tidy(() => check(entry, (call) => lookUp(ops, name)(...call)));
      t.is(wrong, undefined, `${entry.dtype} ${JSON.stringify(entry.options)}`);
    }
  });
}

test("operators give the same as jobs", async (t) => {
  for (const [name, entries] of byOperator) {
    const entry = entries[0] as Case;
    const wrong = await tidy(() => check(entry, (call) => lookUp(ops.job, name)(...call)));
    t.is(wrong, undefined, name);
  }
});
