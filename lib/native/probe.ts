/**
 * Tries the native side in a process of its own, so that a crash in it is a finding and not the end
 * of the caller. Run by `torchsight doctor`; writes one JSON document on stdout.
 */
import { addon } from "./load.js";

/** What this program tells. */
export type ProbeReport =
  | {
      versions: { addon: string; libtorch: string; cuda: string | null };
      devices: Device[];
      threads: number;
      /** Why cards cannot be used. */
      cards?: { code: string; message: string };
    }
  | { error: { code: string; message: string } };

/** Something to compute on, with its memory in bytes. */
export interface Device {
  name: string;
  memory: number;
  model?: string;
}

function probe(): ProbeReport {
  try {
    const native = addon();
    const cards = failure(() => native.requireDevice("cuda"));
    return {
      versions: native.versions(),
      devices: native.devices(),
      threads: native.threads(),
      ...(cards && { cards }),
    };
  } catch (error) {
    return { error: described(error) };
  }
}

function failure(work: () => void): { code: string; message: string } | undefined {
  try {
    work();
    return undefined;
  } catch (error) {
    return described(error);
  }
}

function described(error: unknown): { code: string; message: string } {
  const { code, message } = error as { code?: string; message: string };
  return { code: code ?? "INTERNAL", message };
}

process.stdout.write(JSON.stringify(probe()));
