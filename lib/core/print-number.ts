/** How the floating-point numbers of one tensor are written: all alike and equally wide. */
export interface NumberFormat {
  readonly width: number;
  text(value: number): string;
}

const PRECISION = 4;

/** PyTorch's choice for a tensor of `values`: whole, fixed or scientific. */
export function formatOf(values: readonly number[]): NumberFormat {
  const counted = values.filter((value) => Number.isFinite(value) && value !== 0);
  if (counted.length === 0) return { width: 1, text: (value) => whole(value).padStart(1) };
  let [least, most] = [Number.POSITIVE_INFINITY, 0];
  for (const value of counted) {
    least = Math.min(least, Math.abs(value));
    most = Math.max(most, Math.abs(value));
  }
  const scientificAll = most / least > 1000 || most > 1e8 || least < 1e-4;
  const wholeAll = counted.every(Number.isInteger);
  const write = scientificAll ? scientific : wholeAll ? whole : fixed;
  const width = counted.reduce((widest, value) => Math.max(widest, write(value).length), 1);
  return { width, text: (value) => write(value).padStart(width) };
}

function whole(value: number): string {
  return special(value) ?? `${signed(value, Math.abs(value).toFixed(0))}.`;
}

function fixed(value: number): string {
  const rounded = (): string => {
    const size = Math.abs(value);
    // A number is exactly half-way between two of four places if it is an odd number of 32nds.
    // JavaScript rounds those up, Python to even.
    const up = size.toFixed(PRECISION);
    const tie = Number.isInteger(size * 32) && (size * 32) % 2 === 1;
    return tie && isOdd(up) ? size.toFixed(PRECISION + 1).slice(0, -1) : up;
  };
  return special(value) ?? signed(value, rounded());
}

function scientific(value: number): string {
  const rounded = (): string => {
    const size = Math.abs(value);
    const [mantissa = "", exponent = "0"] = size.toExponential(PRECISION).split("e");
    // More digits than a half-way case can have show whether this is one; it then ends in a five.
    const exact = size.toExponential(40).split("e")[0] as string;
    const tie = /^\d\.\d{4}50+$/.test(exact);
    const digits = tie && isOdd(mantissa) ? exact.slice(0, PRECISION + 2) : mantissa;
    const sign = exponent.startsWith("-") ? "-" : "+";
    return `${digits}e${sign}${exponent.replace(/^[+-]/, "").padStart(2, "0")}`;
  };
  return special(value) ?? signed(value, rounded());
}

function special(value: number): string | undefined {
  if (Number.isNaN(value)) return "nan";
  if (Number.isFinite(value)) return undefined;
  return value > 0 ? "inf" : "-inf";
}

function signed(value: number, size: string): string {
  return value < 0 || Object.is(value, -0) ? `-${size}` : size;
}

function isOdd(digits: string): boolean {
  return Number(digits.at(-1)) % 2 === 1;
}
