/** A number of things in words: `no files`, `1 file`, `2 files`. `things` is the plural where it is irregular. */
export function count(number: number, thing: string, things = `${thing}s`): string {
  return `${number === 0 ? 'no' : number} ${number === 1 ? thing : things}`;
}
