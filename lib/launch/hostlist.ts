/** Lists of hosts as Slurm writes them: `gpu[01-03,07],login2,rack[1-2]n[1-4]`. */
import { rendezvous } from "./variables.js";

const MOST_HOSTS = 2 ** 16;

/** The names of all hosts, in order. Throws `RENDEZVOUS` for what is no list of hosts. */
export function expandHosts(list: string): string[] {
  const hosts = splitOutside(list).flatMap((item) => expandItem(item, list));
  if (hosts.length === 0) throw unreadable(list);
  return hosts;
}

/** The first of {@link expandHosts}. */
export function firstHost(list: string): string {
  return expandHosts(list)[0] as string;
}

/** Parts between commas that are not within brackets. */
function splitOutside(list: string): string[] {
  const parts = list.match(/(?:\[[^[\]]*\]|[^,[\]])+/g) ?? [];
  if (parts.join(",") !== list.trim()) throw unreadable(list);
  return parts;
}

/** A name with any number of `[…]` in it; the last one changes fastest. */
function expandItem(item: string, list: string): string[] {
  const found = /^([^[\]]*)\[([^[\]]*)\](.*)$/.exec(item);
  if (!found) return [item];
  const [, before = "", ranges = "", after = ""] = found;
  const endings = expandItem(after, list);
  const numbers = ranges.split(",").flatMap((range) => numbersOf(range, list));
  if (numbers.length * endings.length > MOST_HOSTS) throw unreadable(list);
  return numbers.flatMap((number) => endings.map((ending) => before + number + ending));
}

/** `3` or `08-11`; leading zeros are kept. */
function numbersOf(range: string, list: string): string[] {
  const found = /^(\d+)(?:-(\d+))?$/.exec(range);
  if (!found) throw unreadable(list);
  const [, first = "", last = first] = found;
  const count = Number(last) - Number(first) + 1;
  if (!(count >= 1 && count <= MOST_HOSTS)) throw unreadable(list);
  return Array.from({ length: count }, (_, index) =>
    String(Number(first) + index).padStart(first.length, "0"),
  );
}

function unreadable(list: string): Error {
  return rendezvous(`expected a list of hosts, such as node[01-04], but received ${list}`);
}
