const UNITS = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['min', 60_000],
  ['s', 1000],
] as const;

/** A length of time in its two largest units: `2 h 5 min`, `35 s`, `3 d`. Milliseconds, 0 or more. */
export function ageText(milliseconds: number): string {
  const first = UNITS.findIndex(([, length]) => milliseconds >= length);
  if (first === -1) return '0 s';
  let left = milliseconds;
  const words = UNITS.slice(first, first + 2).map(([unit, length]) => {
    const count = Math.floor(left / length);
    left -= count * length;
    return count === 0 ? '' : `${count} ${unit}`;
  });
  return words.filter((word) => word !== '').join(' ');
}
