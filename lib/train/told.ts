/** What a step tells, as numbers. */
import type { NamedTensors } from "../core/named.js";

/** Losses and other scalars by name; statistics of all layers as lists. */
export type Told = Record<string, number | number[]>;

/** Reads and frees what a step gave. */
export async function toldBy(outputs: NamedTensors): Promise<Told> {
  using _ = outputs;
  const told: Told = {};
  for (const [name, tensor] of Object.entries(outputs)) {
    const scalar = tensor.shape.length === 0;
    told[name] = scalar ? Number(tensor.item()) : ((await tensor.toArray()) as number[]);
  }
  return told;
}
