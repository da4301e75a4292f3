/**
 * Sine and cosine, of angles in turns. The language leaves those of `Math` to the platform; these
 * use nothing but what IEEE 754 rounds in one way, so that clips are the same everywhere.
 */

/** The coordinates of a place on the unit circle: cosine and sine of `turns`, to about 1e-16. */
export function onCircle(turns: number): [x: number, y: number] {
  const within = turns - Math.floor(turns);
  const quarter = Math.floor(within * 4 + 0.5);
  const angle = (within - quarter / 4) * 2 * Math.PI;
  const square = angle * angle;
  const cosine = series(square, 0);
  const sine = angle * series(square, 1);
  switch (quarter % 4) {
    case 0:
      return [cosine, sine];
    case 1:
      return [-sine, cosine];
    case 2:
      return [-cosine, -sine];
    default:
      return [sine, -cosine];
  }
}

/** Taylor's series of the cosine (`odd` 0) and of the sine by its angle (1), up to 45 degrees. */
function series(square: number, odd: 0 | 1): number {
  let sum = 1;
  for (let power = 16; power > 0; power -= 2) {
    sum = 1 - (square / ((power + odd) * (power + odd - 1))) * sum;
  }
  return sum;
}
