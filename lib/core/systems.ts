import { native } from "./runtime.js";
import type { Dialect } from "./weights.js";

/**
 * What the core must know of a system to load it. A system's folder declares one with
 * {@link defineSystem}; `lib/models/index.ts` lists them.
 */
export interface System<Config = unknown> {
  /** What `model_type` says in its configs. */
  modelTypes: readonly string[];
  /** A complete, checked config from the contents of a `config.json`. Throws `BAD_CONFIG`. */
  parseConfig(input: unknown): Config;
  /** The namings of weights that are read, in the order in which they are tried. */
  dialects: readonly Dialect<Config>[];
}

const known = new Map<string, System>();

/** Makes a system known to `load`. */
export function defineSystem<Config>(system: System<Config>): System {
  // A table of systems cannot know each one's config; a system only ever gets back its own.
  const untyped = system as unknown as System;
  for (const type of system.modelTypes) known.set(type, untyped);
  return untyped;
}

/**
 * The system of a model type. A native module without a folder here, as for diagnostics, takes its
 * config as it stands and its weights under their own names. Undefined for unknown types.
 */
export function findSystem(modelType: string): System | undefined {
  const found = known.get(modelType);
  if (found || !native().modelTypes().includes(modelType)) return found;
  const own: Dialect<unknown> = {
    name: modelType,
    detect: () => true,
    rules: (_, tensors) => [...tensors.keys()].map((name) => ({ to: name, from: name })),
  };
  return { modelTypes: [modelType], parseConfig: (input) => input, dialects: [own] };
}

/** All known systems. */
export function allSystems(): System[] {
  return [...new Set(known.values())];
}
