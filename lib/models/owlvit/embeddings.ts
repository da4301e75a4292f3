/** What can be computed once and used often: pictures without their queries, and queries. */
import { openCheckpoint, requireFile } from "../../core/checkpoint.js";
import { invalidArgument, TorchsightError } from "../../core/errors.js";
import { readTensors, writeTensors } from "../../core/files.js";
import { Held } from "../../core/held.js";
import { ops } from "../../core/ops.js";
import { tidy } from "../../core/scope.js";
import type { Tensor } from "../../core/tensor.js";
import type { Size } from "./processing.js";

/** What `embed_image` gives for one picture of P patches in h rows and w columns. */
export interface ImageTensors {
  /** The feature map, after merging the class token: [1, h, w, D]. */
  image_embeds: Tensor;
  /** Class embeddings, not normalised: [1, P, E]. */
  class_embeds: Tensor;
  /** Added to a patch's cosines: [1, P]. */
  logit_shift: Tensor;
  /** What their sum is multiplied by: [1, P]. */
  logit_scale: Tensor;
  /** Boxes (cx, cy, w, h) in 0..1 of what the network sees: [1, P, 4]. */
  pred_boxes: Tensor;
  /** Logits of holding any object, OWLv2 only: [1, P]. */
  objectness_logits?: Tensor;
}

/**
 * A picture as the detector sees it. Any number of queries may follow, each at the cost of one
 * product of matrices. Dispose of it when done.
 */
export class ImageEmbedding extends Held<ImageTensors> {
  constructor(
    tensors: ImageTensors,
    /** Of the picture that was given, in pixels. */
    readonly size: Size,
    /** What the boxes' x and y in 0..1 are multiplied by to give pixels of the picture. */
    readonly scale: { readonly x: number; readonly y: number },
  ) {
    super(tensors);
  }

  /** P, the number of boxes. */
  get patches(): number {
    return this.tensors.pred_boxes.shape[1]!;
  }

  /** Logits of holding any object, [1, P]. Throws `UNSUPPORTED` where the model tells none. */
  get objectness(): Tensor {
    const { objectness_logits: logits } = this.tensors;
    if (logits) return logits;
    const expected = "a model with objectness, such as OWLv2,";
    throw new TorchsightError("UNSUPPORTED", `expected ${expected} but received one without`);
  }
}

/** What a query is made of. */
export type QueryKind = "text" | "example";

/**
 * Queries: embedded texts, or patches of pictures. Several prompts of each query may stand side by
 * side; their logits are averaged. Dispose of them when done.
 */
export class Queries extends Held<{ embeds: Tensor }> {
  constructor(
    /** T prompts of each of Q queries: [T, Q, E]. */
    embeds: Tensor,
    /** What each query is called: the text itself. */
    readonly labels: readonly string[],
    readonly kind: QueryKind,
    /** Whether a text was longer than the model can read, and was cut. */
    readonly truncated: readonly boolean[] = labels.map(() => false),
  ) {
    super({ embeds });
  }

  /** T, Q and E. */
  get shape(): readonly [number, number, number] {
    return this.tensors.embeds.shape as [number, number, number];
  }

  /** The same queries with a lifetime of their own. */
  share(): Queries {
    return new Queries(ops.alias(this.tensors.embeds), this.labels, this.kind, this.truncated);
  }

  /** All queries of several lists, in order: of one kind and of equally many prompts each. */
  static joined(lists: readonly Queries[]): Queries {
    const [first] = alike(lists, ({ kind, shape: [prompts, , width] }) => {
      return `${kind} queries of ${prompts} prompts and ${width} numbers`;
    });
    const all = lists.map(({ tensors }) => tensors.embeds);
    return new Queries(
      lists.length === 1 ? ops.alias(all[0]!) : ops.cat(all, 1),
      lists.flatMap(({ labels }) => labels),
      first.kind,
      lists.flatMap(({ truncated }) => truncated),
    );
  }

  /**
   * One query out of several that show the same thing (few-shot): the mean of their embeddings. The
   * queries that are averaged stay the caller's. They must be of one kind.
   */
  static average(queries: readonly Queries[], label?: string): Queries {
    const [first] = alike(queries, ({ kind, shape }) => `${kind} queries of ${shape[2]} numbers`);
    const mean = tidy(() => {
      const flat = queries.map(({ tensors: { embeds } }) => ops.flatten(embeds, 0, 1));
      return ops.unsqueeze(ops.mean(ops.cat(flat), [0], true), 0);
    });
    const truncated = queries.some((one) => one.truncated.includes(true));
    return new Queries(mean, [label ?? first.labels[0] ?? "example"], first.kind, [truncated]);
  }

  /** Writes the queries to a safetensors file. */
  async save(path: string): Promise<void> {
    const { labels, kind, truncated } = this;
    const { embeds } = this.tensors;
    const metadata = { queries: JSON.stringify({ labels, kind, truncated }) };
    await tidy(async () => writeTensors(path, { embeds: embeds.to("cpu") }, { metadata }));
  }

  /** Reads what {@link save} wrote. Rejects with `NOT_FOUND` or `BAD_CHECKPOINT`. */
  static async load(path: string): Promise<Queries> {
    const { metadata } = openCheckpoint(requireFile(path));
    return await tidy(async () => {
      const { embeds } = await readTensors(path);
      const told = described(metadata.queries);
      const [, count] = embeds?.shape ?? [];
      if (told && embeds?.ndim === 3 && count === told.labels.length) {
        return new Queries(embeds, told.labels, told.kind, told.truncated);
      }
      throw new TorchsightError("BAD_CHECKPOINT", `expected saved queries in ${path}`);
    });
  }
}

/**
 * Queries of which all are described as the first one is. Throws `BAD_INPUT` for others, for none,
 * and for what is no list of queries.
 */
function alike(
  lists: readonly Queries[],
  describe: (one: Queries) => string,
): readonly [Queries, ...Queries[]] {
  const good = Array.isArray(lists) && lists.every((one) => one instanceof Queries);
  if (!good || lists.length === 0) {
    throw invalidArgument("the queries", "at least one of embedded queries", lists);
  }
  const [expected, ...others] = lists.map(describe);
  const other = others.find((one) => one !== expected);
  if (other === undefined) return lists as [Queries, ...Queries[]];
  throw new TorchsightError("BAD_INPUT", `expected ${expected} but received ${other}`);
}

interface Description {
  labels: string[];
  kind: QueryKind;
  truncated: boolean[];
}

function described(text: unknown): Description | undefined {
  if (typeof text !== "string") return undefined;
  try {
    const { labels, kind, truncated } = JSON.parse(text) as Description;
    const all = (list: unknown[], type: string) => list.every((one) => typeof one === type);
    const good = all(labels, "string") && all(truncated, "boolean");
    const known = ["text", "example"].includes(kind) && labels.length === truncated.length;
    return good && known ? { labels, kind, truncated } : undefined;
  } catch {
    return undefined;
  }
}
