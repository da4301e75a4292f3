import type { ArgDef, ArgsDef } from "citty";
import { TorchsightError } from "../core/errors.js";
import { COMMON_ARGS, type Command } from "./command.js";

/** A command line as read: every value checked against its definition. */
export interface Arguments {
  args: Record<string, string | boolean | undefined>;
  lists: Record<string, string[]>;
  rest: string[];
}

/** The error of a command line that means nothing. */
export function usage(message: string): TorchsightError {
  return new TorchsightError("USAGE", message);
}

/**
 * Reads the words after the command's name. Stricter than citty's own reading: unknown options,
 * missing values and left-over words are errors, and options may take several values.
 *
 * @throws TorchsightError `USAGE`
 */
export function readArguments(command: Command, words: readonly string[]): Arguments {
  return new Reader(command).read(words);
}

class Reader {
  private readonly definitions: ArgsDef;
  private readonly many: readonly string[];
  private readonly positionals: string[];
  private readonly result: Arguments = { args: {}, lists: {}, rest: [] };
  /** The option of several values that bare words belong to for now. */
  private open: string | undefined;

  constructor(private readonly command: Command) {
    this.definitions = { ...COMMON_ARGS, ...command.args };
    this.many = command.many ?? [];
    this.positionals = Object.keys(command.args).filter((name) => this.isPositional(name));
    for (const name of this.many) this.result.lists[name] = [];
  }

  read(words: readonly string[]): Arguments {
    const left = [...words];
    while (left.length > 0) {
      const word = left.shift() as string;
      if (word === "--") this.afterDashes(left.splice(0));
      else if (word.startsWith("-") && word.length > 1) this.option(word, left);
      else if (this.command.rest && this.positionals.length === 0) {
        this.result.rest = [word, ...left.splice(0)];
      } else this.bare(word);
    }
    this.complete();
    return this.result;
  }

  private afterDashes(words: string[]): void {
    this.open = undefined;
    if (this.command.rest) this.result.rest = words;
    else for (const word of words) this.bare(word);
  }

  private bare(word: string): void {
    if (this.open !== undefined) {
      this.result.lists[this.open]?.push(word);
      return;
    }
    const name = this.positionals[0];
    if (name === undefined) throw usage(`unexpected argument ${JSON.stringify(word)}`);
    const list = this.result.lists[name];
    if (list) {
      list.push(word);
      return;
    }
    this.positionals.shift();
    this.result.args[name] = word;
  }

  private option(word: string, left: string[]): void {
    const [flag = "", attached] = splitOnce(word);
    const { name, negated, definition } = this.find(flag);
    this.open = undefined;
    if (definition.type === "boolean") {
      if (attached !== undefined && attached !== "true" && attached !== "false") {
        throw usage(`expected true or false for --${name} but received ${attached}`);
      }
      this.result.args[name] = (attached ?? "true") === (negated ? "false" : "true");
      return;
    }
    const value = attached ?? left.shift();
    // A negative number is a value; anything else with a dash is the next option.
    if (value === undefined || (attached === undefined && /^--?[a-z]/i.test(value))) {
      throw usage(`expected a value for --${name} but received none`);
    }
    this.store(name, value);
    if (this.many.includes(name) && attached === undefined) this.open = name;
  }

  private store(name: string, value: string): void {
    const list = this.result.lists[name];
    if (list) list.push(value);
    else if (this.result.args[name] === undefined) this.result.args[name] = value;
    else throw usage(`--${name} was given twice`);
  }

  private find(flag: string): { name: string; negated: boolean; definition: ArgDef } {
    const wanted = flag.replace(/^--?/, "");
    for (const [name, definition] of Object.entries(this.definitions)) {
      if (definition.type === "positional") continue;
      const aliases = "alias" in definition ? [definition.alias ?? []].flat() : [];
      const matches = flag.startsWith("--") ? name === wanted : false;
      if (matches || aliases.includes(wanted)) return { name, negated: false, definition };
      if (definition.type === "boolean" && flag === `--no-${name}`) {
        return { name, negated: true, definition };
      }
    }
    throw usage(`unknown option ${flag} of the command ${this.command.name}`);
  }

  private complete(): void {
    for (const [name, definition] of Object.entries(this.definitions)) {
      const { type, default: fallback, required } = definition;
      if (this.many.includes(name)) {
        if (required && this.result.lists[name]?.length === 0) throw usage(`missing --${name}`);
        continue;
      }
      const value = this.result.args[name] ?? (fallback as string | boolean | undefined);
      this.result.args[name] = value;
      const needed = type === "positional" ? required !== false : required === true;
      if (value === undefined && needed) {
        throw usage(`missing ${type === "positional" ? name.toUpperCase() : `--${name}`}`);
      }
      const options = "options" in definition ? definition.options : undefined;
      if (value !== undefined && options && !options.includes(String(value))) {
        throw usage(`expected one of ${options.join(", ")} for --${name} but received ${value}`);
      }
    }
  }

  private isPositional(name: string): boolean {
    return this.definitions[name]?.type === "positional";
  }
}

function splitOnce(word: string): [string, string | undefined] {
  const at = word.startsWith("--") ? word.indexOf("=") : -1;
  return at < 0 ? [word, undefined] : [word.slice(0, at), word.slice(at + 1)];
}

/**
 * A whole number given as an option.
 *
 * @throws TorchsightError `USAGE` unless it lies within the bounds
 */
export function wholeNumber(
  name: string,
  value: string | undefined,
  { least = 0, most = Number.MAX_SAFE_INTEGER } = {},
): number | undefined {
  if (value === undefined) return undefined;
  const number = /^\d+$/.test(value) ? Number(value) : Number.NaN;
  if (number >= least && number <= most) return number;
  const bounds = most === Number.MAX_SAFE_INTEGER ? `of at least ${least}` : `${least}..${most}`;
  throw usage(`expected a whole number ${bounds} for --${name} but received ${value}`);
}

/** As {@link wholeNumber}, for numbers with a fraction. */
export function realNumber(
  name: string,
  value: string | undefined,
  { least = -Infinity, most = Infinity } = {},
): number | undefined {
  if (value === undefined) return undefined;
  const number = value.trim() === "" ? Number.NaN : Number(value);
  if (number >= least && number <= most) return number;
  throw usage(`expected a number in ${least}..${most} for --${name} but received ${value}`);
}

/**
 * A device as users name it.
 *
 * @throws TorchsightError `USAGE` where it is not the name of any
 */
export function deviceName(value: string): string {
  if (/^(auto|cpu|cuda(:\d+)?|mps)$/.test(value)) return value;
  throw usage(`expected auto, cpu, cuda[:i] or mps for --device but received ${value}`);
}

/**
 * The words of `--set`, NAME=VALUE with values in JSON.
 *
 * @throws TorchsightError `USAGE` for other words
 */
export function parseSettings(words: readonly string[]): Record<string, unknown> {
  const entries = words.map((word) => {
    const at = word.indexOf("=");
    if (at < 1) throw usage(`expected NAME=JSON for --set but received ${word}`);
    try {
      return [word.slice(0, at), JSON.parse(word.slice(at + 1)) as unknown] as const;
    } catch {
      throw usage(`expected a JSON value, such as 1, true or "text", in --set ${word}`);
    }
  });
  return Object.fromEntries(entries);
}
