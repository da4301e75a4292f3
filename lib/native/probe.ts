/**
 * Tries the native side in a process of its own, so that a crash in it is a finding and not the end
 * of the caller. Run by `torchsight doctor`; writes one JSON document on stdout.
 */
import { addon } from "./load.js";

/** What this program tells. */
export type ProbeReport =
  | { versions: { addon: string; libtorch: string }; devices: Device[]; threads: number }
  | { error: { code: string; message: string } };

/** Something to compute on, with its memory in bytes. */
export interface Device {
  name: string;
  memory: number;
}

function probe(): ProbeReport {
  try {
    const native = addon();
    const versions = native.versions();
    return { versions, devices: native.devices(), threads: native.threads() };
  } catch (error) {
    const { code, message } = error as { code?: string; message: string };
    return { error: { code: code ?? "INTERNAL", message } };
  }
}

process.stdout.write(JSON.stringify(probe()));
