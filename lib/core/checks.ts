/** Checks of options. What was left out is good. */
import { invalidArgument } from "./errors.js";

/** Throws `BAD_INPUT` for a value that is none of the known ones. */
export function checkOneOf(name: string, value: unknown, known: readonly string[]): void {
  if (value === undefined || known.includes(value as string)) return;
  throw invalidArgument(name, `one of ${known.join(", ")}`, value);
}

/** Throws `BAD_INPUT` for what is no whole number, or below `least`. */
export function checkWholeNumber(name: string, value: unknown, least: number): void {
  if (value === undefined || (Number.isSafeInteger(value) && (value as number) >= least)) return;
  throw invalidArgument(name, `a whole number of at least ${least}`, value);
}
