// Counts tests by what the runners wrote, never by their exit codes alone.

/** Test cases of doctest in the verbose output of ctest, where each test is one program. */
export function countCtest(output, code) {
  const programs = new Map();
  const of = (id) => programs.get(id) ?? programs.set(id, {}).get(id);
  for (const line of output.split("\n")) {
    const summary = /^(\d+): .*test cases:\s*\d+ \|\s*(\d+) passed \|\s*(\d+) failed/.exec(line);
    if (summary) Object.assign(of(summary[1]), { passed: +summary[2], failed: +summary[3] });
    // Cases that say so themselves, e.g. without a card; doctest counts them as passed.
    const skip = /^(\d+): skipped: /.exec(line);
    if (skip) of(skip[1]).skipped = (of(skip[1]).skipped ?? 0) + 1;
    const ended = /^\s*\d+\/\d+ Test\s+#(\d+): \S+ \.*\s*(\S+)/.exec(line);
    if (ended) of(ended[1]).good = ended[2] === "Passed";
  }
  const counts = { passed: 0, failed: 0, skipped: 0 };
  for (const { passed = 0, failed = 0, skipped = 0, good } of programs.values()) {
    counts.passed += Math.max(0, passed - skipped);
    counts.skipped += skipped;
    // A program that crashed or was ended may have failed without saying so.
    counts.failed += failed === 0 && !good ? 1 : failed;
  }
  if (code !== 0 && counts.failed === 0) counts.failed = 1;
  return counts;
}

/** Tests in TAP. */
export function countTap(output, code) {
  const counts = { passed: 0, failed: 0, skipped: 0 };
  for (const line of output.split("\n")) {
    const test = /^(not )?ok \d+(.*)$/.exec(line);
    if (!test) continue;
    if (/# (SKIP|TODO)\b/i.test(test[2])) counts.skipped += 1;
    else if (test[1]) counts.failed += 1;
    else counts.passed += 1;
  }
  if (code !== 0 && counts.failed === 0) counts.failed = 1;
  return counts;
}
