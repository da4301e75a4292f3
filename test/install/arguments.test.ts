import test from "ava";
import { deviceName, readArguments, realNumber, wholeNumber } from "../../lib/cli/arguments.js";
import { defineCommand } from "../../lib/cli/command.js";
import { TorchsightError } from "../../lib/core/errors.js";

const detect = defineCommand({
  name: "detect",
  description: "Finds things",
  args: {
    folder: { type: "positional" },
    image: { type: "string", required: true, description: "Pictures" },
    query: { type: "string" },
    threshold: { type: "string", default: "0.1" },
    draw: { type: "boolean" },
  },
  many: ["image", "query"],
  async run() {},
});
const launch = defineCommand({
  name: "launch",
  description: "Runs a program",
  args: { nproc: { type: "string" } },
  rest: true,
  async run() {},
});

test("options, lists and positional arguments in any order", (t) => {
  const { args, lists } = readArguments(detect, [
    ...["--query", "a cat", "--image", "a.png", "b.png", "--query=a dog"],
    ...["--draw", "dir", "--threshold", "-1", "--image", "c.png", "--seed", "3", "--json"],
  ]);
  t.deepEqual(lists, { image: ["a.png", "b.png", "c.png"], query: ["a cat", "a dog"] });
  t.is(args.folder, "dir");
  t.is(args.threshold, "-1");
  t.is(args.draw, true);
  t.is(args.seed, "3");
  t.is(args.json, true);
  t.is(args.device, "auto");
});

test("words after two dashes are values, whatever they look like", (t) => {
  const { args } = readArguments(detect, ["--image", "a.png", "--", "--dir"]);
  t.is(args.folder, "--dir");
});

test("a boolean can be denied", (t) => {
  t.is(readArguments(detect, ["d", "--image", "a", "--no-draw"]).args.draw, false);
  t.is(readArguments(detect, ["d", "--image", "a", "--draw=false"]).args.draw, false);
  t.is(readArguments(detect, ["d", "--image", "a"]).args.draw, undefined);
});

test("what follows belongs to the launched program", (t) => {
  const own = ["--nproc", "2", "program.js", "--nproc", "7", "--help"];
  t.deepEqual(readArguments(launch, own).rest, ["program.js", "--nproc", "7", "--help"]);
  t.is(readArguments(launch, own).args.nproc, "2");
  const dashed = ["--nproc=2", "--", "--odd", "x"];
  t.deepEqual(readArguments(launch, dashed).rest, ["--odd", "x"]);
});

for (const [what, words] of Object.entries({
  "a missing positional argument": ["--image", "a"],
  "a missing list": ["dir"],
  "a second positional argument": ["--image=a", "dir", "more"],
  "a dtype that is none": ["dir", "--image", "a", "--dtype", "int4"],
  "a short option": ["dir", "--image", "a", "-q"],
})) {
  test(`${what} is wrong usage`, (t) => {
    const error = t.throws(() => readArguments(detect, words), { instanceOf: TorchsightError });
    t.is(error?.code, "USAGE");
  });
}

test("numbers and devices are checked", (t) => {
  t.is(wholeNumber("threads", undefined), undefined);
  t.is(wholeNumber("threads", "4", { least: 1 }), 4);
  for (const bad of ["0", "-1", "1.5", "x", ""]) {
    t.throws(() => wholeNumber("threads", bad, { least: 1 }), { code: "USAGE" });
  }
  t.is(realNumber("threshold", "0.25", { least: 0, most: 1 }), 0.25);
  for (const bad of ["1.5", "x", "", "NaN"]) {
    t.throws(() => realNumber("threshold", bad, { least: 0, most: 1 }), { code: "USAGE" });
  }
  for (const good of ["auto", "cpu", "cuda", "cuda:1", "mps"]) t.is(deviceName(good), good);
  for (const bad of ["gpu", "cuda:", "cuda:x", ""]) {
    t.throws(() => deviceName(bad), { code: "USAGE" });
  }
});
