import test from "ava";
import { devices, emptyCache, memory, ones, setThreads, threads } from "torchsight";

test("memory() follows tensors", (t) => {
  const before = memory();
  const x = ones([1024, 1024]);
  const during = memory();
  t.is(during.tensors, before.tensors + 1);
  t.is(during.bytes, before.bytes + 2 ** 22);
  t.true(during.live >= before.live + 2 ** 22);
  t.true(during.peak >= during.live);
  x.dispose();
  const after = memory();
  t.is(after.tensors, before.tensors);
  t.is(after.bytes, before.bytes);
  t.is(after.live, before.live);
});

test("freed blocks are kept until they are released", (t) => {
  ones([1024, 1024]).dispose();
  t.true(memory().cached >= 2 ** 22);
  emptyCache("cpu");
  t.is(memory().cached, 0);
});

test("the processor is a device", (t) => {
  const [cpu] = devices();
  t.is(cpu?.name, "cpu");
  t.true((cpu?.memory ?? 0) > 2 ** 28);
});

test("threads can be set", (t) => {
  const before = threads();
  t.true(before >= 1);
  setThreads(1);
  t.is(threads(), 1);
  setThreads(before);
  t.throws(() => setThreads(0), { code: "BAD_INPUT" });
});
