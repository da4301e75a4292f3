import type { ArgDef, ArgsDef } from "citty";
import type { Output } from "./output.js";

/** Options that every command takes. */
export const COMMON_ARGS = {
  device: {
    type: "string",
    valueHint: "auto|cpu|cuda[:i]|mps",
    default: "auto",
    description: "What to compute on",
  },
  dtype: {
    type: "enum",
    options: ["float32", "bfloat16", "float16"],
    description: "Type of the weights and of most of the arithmetic",
  },
  threads: { type: "string", valueHint: "N", description: "Threads of the CPU to compute with" },
  seed: { type: "string", valueHint: "S", description: "Seed of everything that is random" },
  model: {
    type: "string",
    valueHint: "DIR|name",
    description: "A folder, a hub name in the cache, or a name in assets/",
  },
  json: { type: "boolean", description: "Results as JSON on stdout" },
  quiet: { type: "boolean", description: "No progress and no logs on stderr" },
  verbose: { type: "boolean", description: "More logs, and stack traces of failures" },
} as const satisfies ArgsDef;

/** The value that an argument's definition leads to. */
type ValueOf<D extends ArgDef> = D extends { type: "boolean" }
  ? boolean | undefined
  : D extends { required: true } | { default: string }
    ? string
    : D extends { type: "positional"; required: false }
      ? string | undefined
      : D extends { type: "positional" }
        ? string
        : string | undefined;

/** Values by the names of their definitions. */
export type Values<T extends ArgsDef> = { readonly [K in keyof T]: ValueOf<T[K]> };

/** What a command is given to run with. */
export interface CommandContext<T extends ArgsDef = ArgsDef> {
  /** Options and positional arguments by name; the common options are among them. */
  args: Values<T> & Values<Omit<typeof COMMON_ARGS, keyof T>>;
  /** The values of the options listed in {@link Command.many}; empty where none was given. */
  lists: Record<string, string[]>;
  /** What follows the positional arguments, for commands with {@link Command.rest}. */
  rest: string[];
  output: Output;
  /** Aborted when the user interrupts the program. */
  signal: AbortSignal;
}

/** One command of the program: a file of its own, named in the table of `main.ts`. */
export interface Command<T extends ArgsDef = ArgsDef> {
  name: string;
  description: string;
  args: T;
  /** Names of `string` options, or of a last positional, with several values: `--image a b`. */
  many?: readonly (keyof T & string)[];
  /** Whether everything after the positional arguments belongs to another program. */
  rest?: boolean;
  /** Milliseconds that it may take to stop after an interrupt; 5000 by default. */
  grace?: number;
  /** Returns the exit code where it is not 0; a failure is thrown. */
  run(context: CommandContext<T>): Promise<number | undefined> | Promise<void>;
}

/** Declares a command with its arguments' types inferred for its own `run`. */
export function defineCommand<const T extends ArgsDef>(command: Command<T>): Command {
  // The reader fills `args` by the same definitions, so forgetting their types here is safe.
  return command as unknown as Command;
}
