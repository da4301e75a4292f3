/** The `most` entries of the highest scores, best first; equal scores keep their order. */
export function bestOf<T extends { readonly score: number }>(
  entries: readonly T[],
  most: number,
): T[] {
  return [...entries].sort((a, b) => b.score - a.score).slice(0, most);
}
