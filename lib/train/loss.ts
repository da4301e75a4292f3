/** Losses of one's own: forward pass, backward pass and update are jobs, the loss is TypeScript. */
import { TorchsightError } from "../core/errors.js";
import type { JobControl } from "../core/job.js";
import { ops } from "../core/ops.js";
import { enableGrad, noGrad, tidy } from "../core/scope.js";
import type { Session } from "../core/session.js";
import { Tensor } from "../core/tensor.js";
import type { Batch } from "./loader.js";
import { type Told, toldBy } from "./told.js";

/**
 * The loss of a batch, or of a part of one, as a scalar: its mean over the examples. Made of what
 * the model gave by the package's operators, whose derivatives are recorded.
 *
 * @example
 * ```ts
 * const loss: Loss = ({ logits }, { labels }) => ops.cross_entropy_loss(logits!, labels!);
 * ```
 */
export type Loss = (outputs: Record<string, Tensor>, batch: Batch) => Tensor | Promise<Tensor>;

/** @internal Moves the weights by one batch, in `parts` of it. Returns what the step tells. */
export async function stepByLoss(
  session: Session,
  loss: Loss,
  batch: Batch,
  parts: number,
  control: JobControl,
): Promise<Told> {
  const size = sizeOf(batch);
  if (size < parts) {
    const expected = `expected a batch of at least ${parts} (accumulate)`;
    throw new TorchsightError("SHAPE", `${expected} but received ${size}`);
  }
  for (let part = 0; part < parts; part++) {
    const begin = Math.floor((size * part) / parts);
    const length = Math.floor((size * (part + 1)) / parts) - begin;
    await tidy(() =>
      enableGrad(async () => {
        const own = parts === 1 ? batch : partOf(batch, begin, length);
        const scalar = await lossOf(session, loss, own, control);
        const args = { part, share: length / size };
        await session.call("backward", { loss: scalar }, { ...control, args });
      }),
    );
  }
  return await toldBy(await session.call("update", {}, control));
}

/** @internal The loss of a batch, without gradients. */
export async function evaluateLoss(
  session: Session,
  loss: Loss,
  batch: Batch,
  control: JobControl,
): Promise<Told> {
  return await tidy(() =>
    noGrad(async () => ({
      loss: Number((await lossOf(session, loss, batch, control)).item()),
    })),
  );
}

/** @internal Examples of a batch. */
export function sizeOf(batch: Batch): number {
  return Object.values(batch)[0]?.shape[0] ?? 0;
}

async function lossOf(
  session: Session,
  loss: Loss,
  batch: Batch,
  control: JobControl,
): Promise<Tensor> {
  const names = new Set(session.methods.forward!.inputs.map(({ name }) => name));
  const inputs = Object.fromEntries(Object.entries(batch).filter(([name]) => names.has(name)));
  const scalar = await loss(await session.call("forward", inputs, control), batch);
  if (scalar instanceof Tensor && scalar.shape.length === 0) return scalar;
  const received = scalar instanceof Tensor ? `shape [${scalar.shape}]` : typeof scalar;
  throw new TorchsightError("SHAPE", `expected a scalar of the loss but received ${received}`);
}

function partOf(batch: Batch, begin: number, length: number): Batch {
  return Object.fromEntries(
    Object.entries(batch).map(([name, tensor]) => [name, ops.narrow(tensor, 0, begin, length)]),
  );
}
