import { stripVTControlCharacters } from "node:util";
import { type ArgsDef, defineCommand as defineHelp, renderUsage } from "citty";
import { readArguments, usage } from "./arguments.js";
import { COMMON_ARGS, type Command, type CommandContext } from "./command.js";
import { Output } from "./output.js";

/** A command by its summary, loaded only when it is called. */
export interface CommandEntry {
  summary: string;
  load(): Promise<Command>;
}

/** How long a command may take to stop after an interrupt, unless it says otherwise. */
const INTERRUPT_GRACE_MS = 5000;
const INTERRUPTED = 130;

/**
 * Runs the program on its arguments.
 *
 * @returns the exit code
 */
export async function runProgram(
  commands: Record<string, CommandEntry>,
  words: readonly string[],
  version: string,
): Promise<number> {
  const [name, ...rest] = words;
  const output = new Output(outputOptions(words));
  try {
    if (name === "--version") return say(version);
    if (name === "--help" || name === "-h" || name === "help") return say(overview(commands));
    if (name === undefined) throw usage("no command was given; see torchsight --help");
    const entry = Object.hasOwn(commands, name) ? commands[name] : undefined;
    if (!entry) throw usage(`unknown command ${name}; see torchsight --help`);
    const command = await entry.load();
    if (asksForHelp(command, rest)) return say(await help(command));
    return await runCommand(command, rest, output);
  } catch (error) {
    return output.fail(error);
  }
}

async function runCommand(
  command: Command,
  words: readonly string[],
  output: Output,
): Promise<number> {
  const read = readArguments(command, words);
  const interrupt = new AbortController();
  const stop = () => {
    // A second signal, or a command that does not listen, ends the program all the same.
    if (interrupt.signal.aborted) process.exit(INTERRUPTED);
    const { grace = INTERRUPT_GRACE_MS } = command;
    setTimeout(() => process.exit(INTERRUPTED), grace).unref();
    interrupt.abort();
  };
  process.on("SIGINT", stop).on("SIGTERM", stop);
  try {
    const context = { ...read, output, signal: interrupt.signal } as CommandContext;
    return (await command.run(context)) ?? 0;
  } catch (error) {
    const code = output.fail(error);
    return interrupt.signal.aborted ? INTERRUPTED : code;
  } finally {
    process.off("SIGINT", stop).off("SIGTERM", stop);
  }
}

/** How to speak is needed even where the rest of the line cannot be read. */
function outputOptions(words: readonly string[]) {
  const end = words.indexOf("--");
  const own = end < 0 ? words : words.slice(0, end);
  return {
    json: own.includes("--json"),
    quiet: own.includes("--quiet"),
    verbose: own.includes("--verbose"),
  };
}

function asksForHelp(command: Command, words: readonly string[]): boolean {
  // For a command that runs another program, `--help` further on is that program's.
  return command.rest ? words[0] === "--help" : words.includes("--help");
}

function say(text: string): number {
  process.stdout.write(`${text}\n`);
  return 0;
}

function overview(commands: Record<string, CommandEntry>): string {
  const width = Math.max(...Object.keys(commands).map((name) => name.length));
  const lines = Object.entries(commands).map(
    ([name, { summary }]) => `  ${name.padEnd(width)}  ${summary}`,
  );
  return [
    "Runs large vision systems on libtorch.",
    "",
    "Usage: torchsight COMMAND [OPTIONS]",
    "",
    "Commands:",
    ...lines,
    "",
    "torchsight COMMAND --help tells more. Exit codes: 0 success, 1 a failure of the work,",
    "2 wrong usage, 3 inconclusive, 130 interrupted.",
  ].join("\n");
}

async function help({ name, description, args, many = [] }: Command): Promise<string> {
  const all: ArgsDef = { ...args, ...COMMON_ARGS, ...args };
  for (const option of many) {
    const definition = all[option];
    if (definition)
      all[option] = { ...definition, description: `${definition.description} (many)` };
  }
  const command = defineHelp({ meta: { name: `torchsight ${name}`, description }, args: all });
  const text = (await renderUsage(command)).trimEnd();
  return process.stdout.isTTY ? text : stripVTControlCharacters(text);
}
