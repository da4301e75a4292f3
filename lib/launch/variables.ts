/** Reading the variables of a launcher, with one form for all that can be wrong with them. */
import { TorchsightError } from "../core/errors.js";

/** The environment of a program. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** An error of what the launcher, or the lack of one, left in the environment. */
export function rendezvous(message: string): TorchsightError {
  return new TorchsightError("RENDEZVOUS", message);
}

/** The variables of one launcher. An empty one counts as not set. */
export class Variables {
  /**
   * @param launcher - who sets them, for messages
   * @param remedy - what to do where one is missing
   */
  constructor(
    private readonly env: Environment,
    private readonly launcher: string,
    private readonly remedy: string,
  ) {}

  /** The value, or undefined where it is not set. */
  text(name: string): string | undefined {
    return this.env[name]?.trim() || undefined;
  }

  /** Those of `names` that are set. */
  set(...names: string[]): string[] {
    return names.filter((name) => this.text(name) !== undefined);
  }

  /** The value. Throws `RENDEZVOUS` where it is not set. */
  required(name: string): string {
    const value = this.text(name);
    if (value !== undefined) return value;
    throw rendezvous(
      `expected ${name} to be set by ${this.launcher} but it is not: ${this.remedy}`,
    );
  }

  /** A whole number. Throws `RENDEZVOUS` where it is none, or out of bounds. */
  number(name: string, least: number, most: number): number | undefined {
    const value = this.text(name);
    if (value === undefined) return undefined;
    const number = /^\d+$/.test(value) ? Number(value) : Number.NaN;
    if (number >= least && number <= most) return number;
    throw rendezvous(`expected a whole number ${least}..${most} for ${name} but received ${value}`);
  }

  /** As {@link number}. Throws `RENDEZVOUS` where it is not set. */
  requiredNumber(name: string, least: number, most: number): number {
    this.required(name);
    return this.number(name, least, most) as number;
  }

  /** A rank below a size. */
  rank(name: string, size: number, sizeName: string): number {
    const rank = this.requiredNumber(name, 0, MOST_RANKS);
    if (rank < size) return rank;
    throw rendezvous(`expected ${name} below ${sizeName}, which is ${size}, but received ${rank}`);
  }

  /** `MASTER_ADDR` and `MASTER_PORT`. */
  master(): { host: string; port: number } {
    return {
      host: this.required("MASTER_ADDR"),
      port: this.requiredNumber("MASTER_PORT", 1, MOST_PORT),
    };
  }

  /** Throws `RENDEZVOUS` where two launchers, or two variables of one, tell different things. */
  static agree(first: Told, second: Told): void {
    if (first.value === second.value) return;
    throw rendezvous(
      `${first.name} is ${first.value} but ${second.name} is ${second.value}: ` +
        "unset those of the launcher that did not start this process, or give rank and size",
    );
  }
}

/** A number and the variable that told it. */
export interface Told {
  name: string;
  value: number;
}

export const MOST_RANKS = 2 ** 20;
export const MOST_PORT = 65535;
