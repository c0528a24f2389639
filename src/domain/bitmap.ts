/** A set of numbers from 0: a 1 at the place of each number that is in it. */
export type Bitmap = Uint8Array;

/**
 * A set of numbers below `size` such as `0-3,^2,8`, as libvirt reads it (src/util/virbitmap.c:virBitmapParse): blanks around
 * a number and a comma at the end are allowed, and what is excluded stands behind what it is excluded from. Returns
 * undefined for another text, for numbers that are too large, and for an empty set.
 */
export function parseBitmap(text: string, size: number): Bitmap | undefined {
  const bitmap = new Uint8Array(size);
  const parts = text.split(',');
  if (parts.length > 1 && parts.at(-1)?.trim() === '') parts.pop();
  for (const part of parts) {
    const [, not, first, dash, last = first] =
      /^\s*(\^?)(\d{1,9})\s*(?:(-)\s*(\d{1,9})\s*)?$/.exec(part) ?? [];
    const [from, to] = [Number(first), Number(last)];
    // Without a number they are NaN, which is in no order with any.
    if (!(from <= to && to < size) || (not === '^' && dash === '-')) return undefined;
    bitmap.fill(not === '^' ? 0 : 1, from, to + 1);
  }
  return bitmap.includes(1) ? bitmap : undefined;
}

/** The numbers below `size` that are in one of these sets, in ascending order. */
export function numbersIn(bitmaps: Iterable<Bitmap>, size: number): readonly number[] {
  const all = new Uint8Array(size);
  for (const bitmap of bitmaps) {
    // Run by run: a guest may have thousands of sets of thousands of numbers.
    for (let from = bitmap.indexOf(1); from >= 0;) {
      const end = bitmap.indexOf(0, from);
      all.fill(1, from, end < 0 ? all.length : end);
      from = end < 0 ? -1 : bitmap.indexOf(1, end);
    }
  }
  return [...all.keys()].filter((number) => all[number] === 1);
}
