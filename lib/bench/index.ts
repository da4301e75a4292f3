import { decode } from "./decode.js";
import { detect } from "./detect.js";
import { encode } from "./encode.js";
import { load } from "./load.js";
import { loader } from "./loader.js";
import { operators } from "./operators.js";
import { overlap } from "./overlap.js";
import type { Benchmark } from "./report.js";
import { shapes } from "./shapes.js";
import { start } from "./start.js";
import { train } from "./train.js";

/** What `torchsight bench` measures: everything that needs no other program to compare with. */
export const benchmarks: readonly Benchmark[] = [
  operators,
  encode,
  train,
  decode,
  detect,
  overlap,
  load,
  shapes,
  loader,
  start,
];
