import test from "ava";
import { torchsight } from "./run.js";

test("bench: the rows that were asked for, as one document", async (t) => {
  const { code, stdout } = await torchsight("bench", "operators", "--json");
  t.is(code, 0);
  const { machine, rows } = JSON.parse(stdout);
  t.true(machine.cores > 0);
  t.is(rows.length, 2);
  for (const { seconds } of rows) t.true(seconds.low > 0 && seconds.low <= seconds.high);
});

test("bench: a name that is not known is wrong usage", async (t) => {
  const { code, last } = await torchsight("bench", "operators", "nonsense");
  t.is(code, 2);
  t.is(last, "USAGE: there is no benchmark nonsense");
});
