#!/usr/bin/env node
import { readFileSync } from "node:fs";
import { failureOf } from "./output.js";
import { type CommandEntry, runProgram } from "./run.js";

/** The commands. A new one is a file of its own and one entry here. */
const COMMANDS: Record<string, CommandEntry> = {
  doctor: {
    summary: "Tell whether everything needed is here, and what to do if not",
    load: async () => (await import("./doctor.js")).default,
  },
  inspect: {
    summary: "List the tensors of a file, an index or a model's folder",
    load: async () => (await import("./inspect.js")).default,
  },
  call: {
    summary: "Call a method of a model on tensors of a file",
    load: async () => (await import("./call.js")).default,
  },
  encode: {
    summary: "Turn pictures into features",
    load: async () => (await import("./encode.js")).default,
  },
  detect: {
    summary: "Find what texts describe or examples show, in pictures and videos",
    load: async () => (await import("./detect.js")).default,
  },
  ask: {
    summary: "Ask about pictures: captions, answers, boxes, masks",
    load: async () => (await import("./ask.js")).default,
  },
  similar: {
    summary: "Tell how well pictures fit texts",
    load: async () => (await import("./similar.js")).default,
  },
  "generate-video": {
    summary: "Make a video of a sentence",
    load: async () => (await import("./generate_video.js")).default,
  },
  shapes: {
    summary: "Draw a clip of Shapes World, and tell all that is known of it",
    load: async () => (await import("./shapes.js")).default,
  },
  train: {
    summary: "Train a model as a recipe says",
    load: async () => (await import("./train.js")).default,
  },
  distill: {
    summary: "Distil a stage of a cascade to one of fewer evaluations",
    load: async () => (await import("./distill.js")).default,
  },
  launch: {
    summary: "Start a program once for each rank of a group",
    load: async () => (await import("./launch.js")).default,
  },
  plan: {
    summary: "Tell what a model sharded over ranks would cost",
    load: async () => (await import("./plan.js")).default,
  },
  claims: {
    summary: "Try the headline claims of a paper at laptop scale",
    load: async () => (await import("./claims.js")).default,
  },
  bench: {
    summary: "Measure this machine",
    load: async () => (await import("./bench.js")).default,
  },
  pull: {
    summary: "Bring a model from the hub into the cache",
    load: async () => (await import("./pull.js")).default,
  },
  verify: {
    summary: "Compare a model with what others have published of it",
    load: async () => (await import("./verify.js")).default,
  },
  reshard: {
    summary: "Divide a checkpoint over ranks, or put it together again",
    load: async () => (await import("./reshard.js")).default,
  },
  setup: {
    summary: "Fetch libtorch into the cache",
    load: async () => (await import("./setup.js")).default,
  },
  bundle: {
    summary: "Copy addon, worker, libtorch and licences for a packager",
    load: async () => (await import("./bundle.js")).default,
  },
};

process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  // The reader of a pipe has what it wanted.
  if (error.code === "EPIPE") process.exit(0);
});
process.on("uncaughtException", (error) => {
  const { code, message } = failureOf(error);
  const stack = process.argv.includes("--verbose") ? `${error.stack}\n` : "";
  process.stderr.write(`${stack}${code}: ${message}\n`);
  process.exit(1);
});

const { version } = JSON.parse(
  readFileSync(new URL("../../package.json", import.meta.url), "utf8"),
) as { version: string };
process.exitCode = await runProgram(COMMANDS, process.argv.slice(2), version);
