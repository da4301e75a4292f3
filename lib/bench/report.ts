import { cpus, totalmem } from "node:os";
import { native } from "../core/runtime.js";
import type { Estimate } from "./measure.js";

/** One line of a benchmark. */
export interface Row {
  name: string;
  seconds?: Estimate;
  /** Compared with what `peer` names; above 1 where ours is faster. */
  ratio?: Estimate;
  peer?: string;
  /** What is not a time. */
  note?: string;
}

/** A benchmark: some rows, measured when asked. */
export interface Benchmark {
  name: string;
  run(): AsyncIterable<Row>;
}

/** Where and when the figures were taken. */
export interface Machine {
  date: string;
  node: string;
  libtorch: string;
  cpu: string;
  cores: number;
  memoryGiB: number;
  threads: number;
}

export function describeMachine(): Machine {
  const processors = cpus();
  return {
    date: new Date().toISOString().slice(0, 10),
    node: process.version,
    libtorch: native().versions().libtorch,
    cpu: processors[0]?.model.trim() ?? "unknown",
    cores: processors.length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    threads: native().threads(),
  };
}

function time(value: number): string {
  if (value < 1e-3) return `${(value * 1e6).toFixed(2)} µs`;
  return value < 1 ? `${(value * 1e3).toFixed(1)} ms` : `${value.toFixed(2)} s`;
}

/** One row as text. */
export function describeRow({ name, seconds, ratio, peer, note }: Row): string {
  const parts = [name.padEnd(34)];
  if (seconds) {
    const { median, low, high } = seconds;
    parts.push(`${time(median)} [${time(low)}, ${time(high)}]`.padEnd(34));
  }
  if (ratio) {
    const { median, low, high } = ratio;
    const range = `[${low.toFixed(2)}, ${high.toFixed(2)}]`;
    parts.push(`${median.toFixed(2)} ${range} × ${peer ?? ""}`);
  }
  if (note) parts.push(note);
  return parts.join("  ").trimEnd();
}
