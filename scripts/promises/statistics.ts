/** Small sums over measurements. */

/** The value in the middle of `values`, of which there must be one. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const half = sorted.length >> 1;
  const upper = sorted[half];
  if (upper === undefined) throw new Error("expected values for the median but received none");
  return sorted.length % 2 === 1 ? upper : (upper + sorted[half - 1]!) / 2;
}

/** Milliseconds as text. */
export function ms(value: number): string {
  return `${value.toFixed(value < 10 ? 1 : 0)} ms`;
}

/** Bytes as text, signed. */
export function megabytes(bytes: number): string {
  return `${bytes < 0 ? "-" : "+"}${(Math.abs(bytes) / 1e6).toFixed(1)} MB`;
}

/** `median of N, worst W` in milliseconds. */
export function latency(values: readonly number[]): string {
  return `${ms(median(values))} (worst of ${values.length}: ${ms(Math.max(...values))})`;
}
