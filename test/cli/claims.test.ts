import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "ava";
import type { ClaimsResult } from "../../lib/claims/index.js";
import { interrupted, torchsight } from "./run.js";

const INCONCLUSIVE = 3;

test("claims: quick versions of all of ViT-22B's, with a protocol and a report", async (t) => {
  t.timeout(240_000);
  const out = mkdtempSync(join(tmpdir(), "torchsight-claims-"));
  t.teardown(() => rmSync(out, { recursive: true, force: true }));
  const { code, stdout, stderr } = await torchsight(
    ...["claims", "vit22b", "--quick", "--json", "--out", out],
  );
  t.is(code, INCONCLUSIVE, stderr);
  const { system, claims, seconds } = JSON.parse(stdout) as ClaimsResult;
  t.is(system, "vit22b");
  t.true(seconds > 0);
  t.true(claims.length >= 6);
  for (const { id, statement, metric, values, seeds, holds, quickShows } of claims) {
    t.true(
      [statement, metric, quickShows].every((text) => (text?.length ?? 0) > 10),
      id,
    );
    t.is(values.length, seeds.length, id);
    t.true(values.every(Number.isFinite), id);
    t.is(holds, id === "sharded-training" ? true : "inconclusive", id);
  }
  const protocol = JSON.parse(readFileSync(join(out, "protocol.json"), "utf8"));
  t.deepEqual(
    protocol.map(({ id }: { id: string }) => id),
    claims.map(({ id }) => id),
  );
  const report = readFileSync(join(out, "report.md"), "utf8");
  for (const { id, statement } of claims) t.true(report.includes(id) && report.includes(statement));
  for (const name of ["plot.png", "plot.svg"]) t.true(existsSync(join(out, name)));
});

test("claims: some of them, by their ids", async (t) => {
  const { code, stdout } = await torchsight(
    ...["claims", "vit22b", "--quick", "--json", "--only", "sharded-training"],
  );
  t.is(code, 0);
  const { claims } = JSON.parse(stdout) as ClaimsResult;
  t.deepEqual(
    claims.map(({ id, holds }) => [id, holds]),
    [["sharded-training", true]],
  );
});

test("claims: systems and ids that nobody knows", async (t) => {
  const system = await torchsight("claims", "vit23b");
  t.is(system.code, 2);
  t.is(system.last, "USAGE: expected one of vit22b but received vit23b");
  const id = await torchsight("claims", "vit22b", "--only", "bigger");
  t.is(id.code, 1);
  t.regex(id.last, /^BAD_INPUT: expected ids among qk-norm, .* but received bigger$/);
});

test("claims: an interrupt ends them", async (t) => {
  const { code, last } = await interrupted(4000, "claims", "vit22b", "--only", "qk-norm");
  t.is(code, 130);
  t.regex(last, /^CANCELLED: /);
});
