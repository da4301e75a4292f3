import { readFileSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import { failureOf } from "../../lib/cli/output.js";
import {
  describeValue,
  ERROR_CODES,
  invalidArgument,
  isErrorCode,
  TorchsightError,
} from "../../lib/core/errors.js";
import { InstallError } from "../../lib/install/libtorch.js";
import { root } from "./helpers.js";

test("a misused argument is told in one form", (t) => {
  const error = invalidArgument("shape", "an array of whole numbers", "2x2");
  t.is(
    error.message,
    'expected an array of whole numbers for shape but received "2x2" of type string',
  );
  t.is(error.code, "BAD_INPUT");
  t.true(error instanceof Error);
});

test("values are shown short and with their type", (t) => {
  t.is(describeValue(null), "null of type null");
  t.is(describeValue(undefined), "undefined of type undefined");
  t.is(describeValue(3n), "3n of type bigint");
  t.is(describeValue([1, 2]), "[1,2] of type Array");
  t.is(describeValue(new Float32Array(2)), "[8 bytes] of type Float32Array");
  t.is(describeValue(new Map()), "{} of type Map");
  t.is(describeValue(Object.create(null)), "{} of type object");
  const cycle: Record<string, unknown> = {};
  cycle.self = cycle;
  t.is(describeValue(cycle), "an object of type Object");
  t.true(describeValue("x".repeat(1000)).length < 110);
});

test("reason and delay are there only where they were given", (t) => {
  const full = new TorchsightError("QUEUE_FULL", "full", { reason: "BYTES", retryAfter: 20 });
  t.is(full.reason, "BYTES");
  t.is(full.retryAfter, 20);
  t.false("reason" in new TorchsightError("USAGE", "x"));
  const cause = new Error("inner");
  t.is(new TorchsightError("INTERNAL", "x", { cause }).cause, cause);
});

test("every failure has a code and one line", (t) => {
  t.deepEqual(failureOf(new TorchsightError("SHAPE", "a\n  b")), {
    code: "SHAPE",
    message: "a; b",
  });
  t.is(failureOf(new InstallError("LIBTORCH", "none", "get one")).code, "LIBTORCH");
  t.is(failureOf(Object.assign(new Error("x"), { code: "ENOENT" })).code, "NOT_FOUND");
  t.is(failureOf(new DOMException("x", "AbortError")).code, "CANCELLED");
  t.deepEqual(failureOf("odd"), { code: "INTERNAL", message: "odd" });
  t.deepEqual(failureOf(new Error("")), { code: "INTERNAL", message: "no reason was given" });
});

test("codes are known, and each is explained in the documentation", (t) => {
  t.true(isErrorCode("LIBTORCH"));
  t.false(isErrorCode("EPERM"));
  const page = readFileSync(join(root, "docs", "errors.md"), "utf8");
  for (const code of ERROR_CODES) t.true(page.includes(`\`${code}\``), code);
});

test("the core in C++ has the same codes", (t) => {
  const source = readFileSync(join(root, "native", "runtime", "error.cc"), "utf8");
  const codes = [...source.matchAll(/\{ErrorCode::k\w+, "([A-Z_]+)"\}/g)].map(([, code]) => code);
  t.deepEqual(
    codes.filter((code) => !isErrorCode(code)),
    [],
  );
  t.deepEqual(
    ERROR_CODES.filter((code) => !codes.includes(code)),
    [],
  );
});
