/** The ffmpeg program: where it is, and how it is run. */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { access, chmod, constants } from "node:fs/promises";
import { createRequire } from "node:module";
import type { Socket } from "node:net";
import type { Readable, Writable } from "node:stream";
import { promisify } from "node:util";
import { TorchsightError } from "../core/errors.js";

/** An ffmpeg that runs here. */
export interface Ffmpeg {
  path: string;
  /** The options that make it write each frame once, with the time it came with. */
  passthrough: readonly string[];
}

const known = new Map<string, Promise<Ffmpeg>>();

/**
 * Finds ffmpeg: the program that `TORCHSIGHT_FFMPEG` names, else that of the npm package
 * `@ffmpeg-installer/ffmpeg` where it is installed, else `ffmpeg` on PATH.
 *
 * @throws `UNSUPPORTED` where there is none that runs, `NOT_FOUND` where `TORCHSIGHT_FFMPEG` names
 *   no file.
 */
export async function findFfmpeg(): Promise<Ffmpeg> {
  const named = process.env.TORCHSIGHT_FFMPEG;
  if (named) {
    await access(named).catch((cause) => {
      const message = `there is no file ${named}, which TORCHSIGHT_FFMPEG names`;
      throw new TorchsightError("NOT_FOUND", message, { cause });
    });
    return await examined(named);
  }
  const installed = installedFfmpeg();
  if (installed) {
    await makeRunnable(installed);
    return await examined(installed);
  }
  return await examined("ffmpeg");
}

/** The binary of `@ffmpeg-installer/ffmpeg`, where that is installed and fits this platform. */
function installedFfmpeg(): string | undefined {
  const require = createRequire(import.meta.url);
  try {
    const { path } = require("@ffmpeg-installer/ffmpeg") as { path: string };
    // Programs cannot be run from inside the archive of an Electron app.
    return path.replace("app.asar", "app.asar.unpacked");
  } catch {
    return undefined;
  }
}

/** The package's binary comes without the right to run where install scripts are off. */
async function makeRunnable(path: string): Promise<void> {
  try {
    await access(path, constants.X_OK);
  } catch {
    await chmod(path, 0o755).catch((cause) => {
      const message = `${path} may not be run and cannot be made so: run \`chmod +x ${path}\``;
      throw new TorchsightError("UNSUPPORTED", message, { cause });
    });
  }
}

/** Asks a program for its version, once. */
function examined(path: string): Promise<Ffmpeg> {
  let found = known.get(path);
  if (!found) {
    found = examine(path);
    known.set(path, found);
    // Where it failed it is asked again, since it may be installed by then.
    found.catch(() => known.delete(path));
  }
  return found;
}

async function examine(path: string): Promise<Ffmpeg> {
  const said = await promisify(execFile)(path, ["-version"], { windowsHide: true }).catch(
    (cause: NodeJS.ErrnoException) => {
      const problem = cause.code === "ENOENT" ? "found none" : `${path} cannot be run`;
      const remedy =
        "install ffmpeg or the npm package @ffmpeg-installer/ffmpeg, " +
        "or name the program in TORCHSIGHT_FFMPEG";
      const message = `expected ffmpeg for videos but ${problem}: ${remedy}`;
      throw new TorchsightError("UNSUPPORTED", message, { cause });
    },
  );
  const [, major = "", minor = ""] = /libavutil\s+(\d+)\.\s*(\d+)/.exec(said.stdout) ?? [];
  // ffmpeg 5.1, with libavutil 57.28, renamed the option.
  const old = Number(major) + Number(minor) / 1000 < 57.028 && major !== "";
  return { path, passthrough: old ? ["-vsync", "0"] : ["-fps_mode", "passthrough"] };
}

/** Children that run; none outlives this process. */
const running = new Set<ChildProcess>();
process.once("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});

/** What ffmpeg says for reasons that it puts less plainly, or not in its last line. */
const KNOWN_REASONS: readonly (readonly [RegExp, string])[] = [
  [/not on whitelist/i, "its format is none of a video"],
  [/matches no streams/, "there are no pictures in it"],
];

/** Lines that say how far it came, and that it failed, but not why. */
const NO_REASON = /Parsed_showinfo|^frame=|^video:|^Conversion failed!/;

/** How a child ended: its exit code, or the signal that ended it. */
export interface Ending {
  code: number | null;
  signal: NodeJS.Signals | null;
}

/** A run of ffmpeg. */
export class FfmpegRun {
  readonly stdin: Writable;
  readonly stdout: Readable;
  /** Resolves when the child is gone and all that it said was read. Never rejects. */
  readonly ended: Promise<Ending>;
  readonly #child: ChildProcess;
  #last = "";
  #known: string | undefined;

  /** @param onLine - is given each line of stderr */
  constructor(path: string, args: readonly string[], onLine: (line: string) => void = () => {}) {
    const child = spawn(path, ["-hide_banner", "-nostats", "-loglevel", "repeat+info", ...args], {
      stdio: ["pipe", "pipe", "pipe"],
      windowsHide: true,
      // A group of its own: an interrupt from the keyboard is for this process to handle.
      detached: process.platform !== "win32",
      env: { ...process.env, AV_LOG_FORCE_NOCOLOR: "1" },
    });
    this.#child = child;
    this.stdin = child.stdin;
    this.stdout = child.stdout;
    // Writing to a child that is gone fails; how it ended tells why.
    child.stdin.on("error", () => {});
    running.add(child);
    this.ended = new Promise((resolve) => {
      const end = (code: number | null, signal: NodeJS.Signals | null) => {
        running.delete(child);
        resolve({ code, signal });
      };
      child.once("close", end);
      child.once("error", (error) => {
        this.#last = error.message;
        if (child.pid === undefined) end(null, null);
      });
    });
    let rest = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      const lines = (rest + text).split(/\r?\n|\r/);
      rest = lines.pop()!;
      for (const line of lines) {
        onLine(line);
        this.#keep(line);
      }
    });
    child.stderr.on("end", () => this.#keep(rest));
  }

  /** Ends the child at once. */
  kill(): void {
    this.#child.kill("SIGKILL");
  }

  /** Whether the child keeps this process alive; it does unless told otherwise. */
  hold(on: boolean): void {
    const pipes = [this.#child.stdout, this.#child.stderr] as Socket[];
    for (const handle of [this.#child, ...pipes.filter((pipe) => !pipe.destroyed)]) {
      if (on) handle.ref();
      else handle.unref();
    }
  }

  /** Why the child failed: the last that it said, or the signal that ended it. */
  async reason(): Promise<string> {
    const { signal } = await this.ended;
    if (signal !== null) return `ffmpeg was ended by ${signal}`;
    return this.#known ?? this.#last.replaceAll("file:", "");
  }

  /** Keeps the last line, less the prefix that names a part of ffmpeg by its address. */
  #keep(line: string): void {
    const text = line.replace(/^(\[[^\]]* @ [^\]]*\] )+/, "").trim();
    const known = KNOWN_REASONS.find(([pattern]) => pattern.test(text));
    if (known) this.#known = known[1];
    else if (text !== "" && !NO_REASON.test(line)) this.#last = text;
  }
}
