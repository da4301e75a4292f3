/** Stored inputs and expected outputs, and how close to them is close enough. */
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { ExecutionContext } from "ava";
import { readTensors } from "../../lib/core/files.js";
import type { Tensor } from "../../lib/core/tensor.js";

const FIXTURES = fileURLToPath(new URL("../fixtures/", import.meta.url));

/** The cases of a system: folders with a model, inputs and expected outputs. */
export function casesOf(system: string): { name: string; folder: string }[] {
  const root = join(FIXTURES, system);
  return readdirSync(root)
    .map((name) => ({ name, folder: join(root, name) }))
    .filter(({ folder }) => existsSync(join(folder, "expected.safetensors")));
}

export const fixture = (...path: string[]) => join(FIXTURES, ...path);

/** A folder that is removed when the test is over. */
export function temporary(t: ExecutionContext): string {
  const folder = mkdtempSync(join(tmpdir(), "torchsight-"));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** All numbers of a tensor. */
export async function numbers(tensor: Tensor): Promise<Float64Array> {
  return (await tensor.to("float64").data()) as Float64Array;
}

/**
 * Checks every element against the expected one. The float32 gate: 5e-5 of the expected tensor's
 * standard deviation + 1e-6. The gate of constants is relative to their size.
 */
export async function agrees(
  t: ExecutionContext,
  name: string,
  actual: Tensor,
  expected: Tensor,
  gate = 5e-5,
): Promise<void> {
  t.deepEqual(actual.shape, expected.shape, name);
  const [got, want] = [await numbers(actual), await numbers(expected)];
  const mean = want.reduce((sum, value) => sum + value, 0) / want.length;
  const variance = want.reduce((sum, value) => sum + (value - mean) ** 2, 0) / want.length;
  const spread = Math.max(Math.sqrt(variance), want.length === 1 ? Math.abs(mean) : 0);
  const worst = got.reduce((most, value, i) => Math.max(most, Math.abs(value - want[i]!)), 0);
  t.true(worst <= gate * spread + 1e-6, `${name}: off by ${worst}, spread ${spread}`);
}

/** The tensors of a safetensors file. */
export async function tensorsOf(path: string): Promise<Record<string, Tensor>> {
  return await readTensors(path);
}
