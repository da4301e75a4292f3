import { REFERENCES } from "../models/owlvit/references.js";
import { owlvitSubject } from "./owlvit.js";
import { siglipSubjects } from "./siglip.js";
import type { Subject } from "./subject.js";

const owlvit = Object.entries(REFERENCES).map(
  ([name, references]) => [name, owlvitSubject(references)] as const,
);

/** Models of which values are published, by their names on the hub. */
export const subjects: Record<string, Subject> = Object.fromEntries([...owlvit, ...siglipSubjects]);
