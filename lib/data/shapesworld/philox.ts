/**
 * Philox4x32-10, a counter-based generator: Salmon, Moraes, Dror and Shaw, "Parallel random
 * numbers: as easy as 1, 2, 3", SC 2011. Every block of four words is a function of a counter and
 * a key alone, so that any of them can be had without those before it, in integers only.
 */

/** Four unsigned words of 32 bits. */
export type Words = [number, number, number, number];

const ROUNDS = 10;
const MULTIPLIERS = [0xd2511f53, 0xcd9e8d57] as const;
/** What is added to the key from round to round. */
const WEYL = [0x9e3779b9, 0xbb67ae85] as const;

/** Sets `counter` to its block of random words under a key. */
export function philox(counter: Words, key: readonly [number, number]): void {
  let [a, b, c, d] = counter;
  let [low, high] = key;
  for (let round = 0; round < ROUNDS; round += 1) {
    const first = highWord(MULTIPLIERS[0], a) ^ d ^ high;
    const zeroth = highWord(MULTIPLIERS[1], c) ^ b ^ low;
    b = Math.imul(MULTIPLIERS[1], c);
    d = Math.imul(MULTIPLIERS[0], a);
    [a, c] = [zeroth, first];
    low = (low + WEYL[0]) | 0;
    high = (high + WEYL[1]) | 0;
  }
  counter[0] = a >>> 0;
  counter[1] = b >>> 0;
  counter[2] = c >>> 0;
  counter[3] = d >>> 0;
}

/** The upper 32 of the 64 bits of a product; no partial sum exceeds 32 bits. */
function highWord(left: number, right: number): number {
  const leftHigh = left >>> 16;
  const leftLow = left & 0xffff;
  const rightHigh = right >>> 16;
  const rightLow = right & 0xffff;
  const middle = leftHigh * rightLow + ((leftLow * rightLow) >>> 16);
  const carry = leftLow * rightHigh + (middle & 0xffff);
  return leftHigh * rightHigh + (middle >>> 16) + (carry >>> 16);
}
