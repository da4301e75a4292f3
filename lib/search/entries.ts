/** What stands beside the vectors of an index. */
import { invalidArgument } from "../core/errors.js";

/** What is to be found again with a vector: anything that JSON can say. */
export type Metadata = Readonly<Record<string, unknown>>;

/** Something in the index. */
export interface IndexEntry {
  name: string;
  metadata?: Metadata | undefined;
}

/** A name with a copy of what is told of it. Throws `BAD_INPUT`. */
export function entryOf(name: string, metadata: Metadata | undefined): IndexEntry {
  if (typeof name !== "string" || name === "") throw invalidArgument("the name", "a text", name);
  return metadata === undefined ? { name } : { name, metadata: copyOf(metadata) };
}

/** What JSON keeps of metadata. */
function copyOf(metadata: Metadata): Metadata {
  try {
    const copy: unknown = JSON.parse(JSON.stringify(metadata));
    if (isMetadata(copy)) return copy;
  } catch {
    // Cycles and the like are refused as all else is.
  }
  throw invalidArgument("the metadata", "an object that JSON can say", metadata);
}

/** Whether a value read from JSON is an entry. */
export function isEntry(value: unknown): value is IndexEntry {
  const { name, metadata = {} } = (value ?? {}) as Partial<IndexEntry>;
  return typeof name === "string" && name !== "" && isMetadata(metadata);
}

function isMetadata(value: unknown): value is Metadata {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
