/** A number of things in words: `no files`, `1 file`, `2 files`. `things` is the plural where it is irregular. */
export function count(number: number, thing: string, things?: string): string {
  return `${number === 0 ? 'no' : number} ${plural(number, thing, things)}`;
}

/** The word that fits a number which stands elsewhere: `plural(2, 'is', 'are')`. */
export function plural(number: number, thing: string, things = `${thing}s`): string {
  return number === 1 ? thing : things;
}
