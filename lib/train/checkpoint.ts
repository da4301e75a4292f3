/**
 * Checkpoints of a run: folders `step-000001200` that hold the model as any other folder does
 * (`config.json`, weights), the trainer's state (`trainer.safetensors`) and `run.json`. Each is
 * written beside its place and then renamed, so that a folder of that name is always whole.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { TorchsightError } from "../core/errors.js";
import { readTensors, writeTensors } from "../core/files.js";
import type { NamedTensors } from "../core/named.js";
import type { Tensor } from "../core/tensor.js";
import type { TrainerOptions } from "./options.js";

const STATE = "trainer.safetensors";
const RUN = "run.json";
const NAME = /^step-(\d+)$/;
const BEST = /^best-(\d+)$/;
const UNFINISHED = /^\.(?:step|best)-\d+\.(new|old)$/;
const REPLACED = /^\.((?:step|best)-\d+)\.old$/;
const DIGITS = 9;

/** What a checkpoint tells of its run. */
export interface Saved {
  /** The folder, which can be loaded as a model. */
  folder: string;
  /** Steps that were made. */
  step: number;
  options: TrainerOptions;
  /** Where the loader was, if it can tell. */
  cursor?: unknown;
  /** Why it was the best one when it was saved, if it was saved as such. */
  best?: Best;
}

/** What made a checkpoint the best of its run. */
export interface Best {
  metric: string;
  value: number;
}

/** The newest checkpoint within `out`, or `out` itself if it is one; undefined where none is. */
export function latestCheckpoint(out: string): string | undefined {
  if (existsSync(join(out, RUN))) return out;
  putBack(out);
  const newest = foldersOf(out, NAME).at(-1);
  return newest === undefined ? undefined : join(out, newest);
}

/** The best checkpoint within `out`; undefined where none was saved. */
export function bestCheckpoint(out: string): string | undefined {
  const newest = foldersOf(out, BEST).at(-1);
  return newest === undefined ? undefined : join(out, newest);
}

/** @internal What the best checkpoint within `out` was saved for. */
export function readBest(out: string): Best | undefined {
  const folder = bestCheckpoint(out);
  return folder === undefined ? undefined : parsed(folder).best;
}

/**
 * @internal Fills a new checkpoint by `fill`; keeps the `keep` newest, and the best one apart from
 * them. Returns its folder.
 */
export async function writeRun(
  out: string,
  run: Omit<Saved, "folder">,
  keep: number,
  fill: (folder: string, write: (state: Record<string, Tensor>) => Promise<void>) => Promise<void>,
): Promise<string> {
  mkdirSync(out, { recursive: true });
  putBack(out);
  for (const name of readdirSync(out).filter((entry) => UNFINISHED.test(entry))) {
    rmSync(join(out, name), { recursive: true, force: true });
  }
  const kind = run.best ? BEST : NAME;
  const { fresh, old, final } = placesOf(out, run);
  try {
    await fill(fresh, async (state) => await writeTensors(join(fresh, STATE), state));
    await writeText(join(fresh, RUN), `${JSON.stringify(run, null, 2)}\n`);
    if (existsSync(final)) renameSync(final, old);
    renameSync(fresh, final);
  } catch (error) {
    rmSync(fresh, { recursive: true, force: true });
    throw error instanceof TorchsightError ? error : failed(out, error);
  }
  rmSync(old, { recursive: true, force: true });
  for (const older of foldersOf(out, kind).slice(0, run.best ? -1 : -keep)) {
    rmSync(join(out, older), { recursive: true, force: true });
  }
  return final;
}

/** @internal Where a checkpoint is written, where an older one of its name waits, its place. */
export function placesOf(
  out: string,
  { step, best }: Pick<Saved, "step" | "best">,
): { fresh: string; old: string; final: string } {
  const name = `${best ? "best" : "step"}-${String(step).padStart(DIGITS, "0")}`;
  return {
    fresh: join(out, `.${name}.new`),
    old: join(out, `.${name}.old`),
    final: join(out, name),
  };
}

/** @internal What a run goes on from. Throws `NOT_FOUND` or `BAD_CHECKPOINT`. */
export async function readRun(
  out: string,
  options: TrainerOptions,
): Promise<{ saved: Saved; state: NamedTensors }> {
  const folder = latestCheckpoint(out);
  if (folder === undefined)
    throw new TorchsightError("NOT_FOUND", `there is no checkpoint in ${out}`);
  const saved = { ...parsed(folder), folder };
  const names = new Set([...Object.keys(saved.options), ...Object.keys(options)]);
  const plain = JSON.parse(JSON.stringify(options)) as Record<string, unknown>;
  for (const name of names) {
    const before = (saved.options as Record<string, unknown>)[name];
    if (isDeepStrictEqual(before, plain[name])) continue;
    throw bad(
      folder,
      `expected the options it was made with but ${name} is ${JSON.stringify(plain[name])} and ` +
        `was ${JSON.stringify(before)}`,
    );
  }
  return { saved, state: await readTensors(join(folder, STATE)) };
}

/** A checkpoint that was about to be replaced when its process ended is still the newest one. */
function putBack(out: string): void {
  if (!existsSync(out)) return;
  for (const entry of readdirSync(out)) {
    const name = REPLACED.exec(entry)?.[1];
    if (name === undefined || existsSync(join(out, name))) continue;
    renameSync(join(out, entry), join(out, name));
  }
}

/** Names of checkpoints of a kind, by their steps. */
function foldersOf(out: string, kind: RegExp): string[] {
  if (!existsSync(out)) return [];
  const names = readdirSync(out).filter((name) => kind.test(name));
  return names.sort((a, b) => Number(kind.exec(a)![1]) - Number(kind.exec(b)![1]));
}

function parsed(folder: string): Omit<Saved, "folder"> {
  try {
    const run = JSON.parse(readFileSync(join(folder, RUN), "utf8"));
    if (Number.isSafeInteger(run.step) && typeof run.options === "object") return run;
  } catch (error) {
    throw bad(folder, `${RUN} cannot be read: ${(error as Error).message}`);
  }
  throw bad(folder, `expected step and options in ${RUN}`);
}

/** Once it returns the text survives a loss of power. */
async function writeText(path: string, text: string): Promise<void> {
  await using file = await open(path, "w");
  await file.writeFile(text);
  await file.sync();
}

function bad(folder: string, message: string): TorchsightError {
  return new TorchsightError("BAD_CHECKPOINT", `${folder}: ${message}`);
}

function failed(out: string, cause: unknown): TorchsightError {
  const message = `a checkpoint could not be written in ${out}: ${(cause as Error).message}`;
  // What the system refused, such as a full disk, has a code of its own as in native writes.
  const refused = typeof (cause as NodeJS.ErrnoException).syscall === "string";
  return refused
    ? new TorchsightError("BAD_CHECKPOINT", message, { cause, reason: "IO_ERROR" })
    : new TorchsightError("INTERNAL", message, { cause });
}
