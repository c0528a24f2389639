/** What is compared: values of one round. */
export type Measure = 'time' | 'CPU' | 'memory';

/**
 * One line of the table: `of`, less `less`, divided by `by` or by `per`. With `by` it is a ratio of one round, else
 * milliseconds.
 */
export interface Row {
  readonly what: string;
  readonly against: string;
  readonly measure: Measure;
  /** Names of forms. */
  readonly of: string;
  readonly less?: string;
  readonly by?: string;
  readonly per?: number;
  /** The largest value that is aimed at. */
  readonly aim?: number;
}

/** The value of a form in a round, by measure: milliseconds or KiB; undefined where it was not measured. */
export type Values = (form: string, measure: Measure, round: number) => number | undefined;

/** The middle, the smallest and the largest of what a row came to in the rounds that have all of its forms. */
export interface Spread {
  readonly median: number;
  readonly smallest: number;
  readonly largest: number;
  readonly rounds: number;
}

/** What a row came to; undefined when no round has all of its forms. */
export function spreadOf(row: Row, values: Values, rounds: number): Spread | undefined {
  const all = Array.from({ length: rounds }, (_, round) => valueOf(row, values, round))
    .filter((value) => value !== undefined)
    .sort((a, b) => a - b);
  const [smallest] = all;
  const largest = all.at(-1);
  if (smallest === undefined || largest === undefined) return undefined;
  return { median: medianOf(all), smallest, largest, rounds: all.length };
}

function valueOf(row: Row, values: Values, round: number): number | undefined {
  const named = (form: string | undefined): number | undefined =>
    form === undefined ? undefined : values(form, row.measure, round);
  const [of, less, by] = [named(row.of), named(row.less), named(row.by)];
  if (of === undefined) return undefined;
  if (row.less !== undefined && less === undefined) return undefined;
  if (row.by !== undefined && by === undefined) return undefined;
  return (of - (less ?? 0)) / (by ?? row.per ?? 1);
}

/** The middle of sorted numbers, or the mean of the two in the middle. */
export function medianOf(sorted: readonly number[]): number {
  const middle = sorted.length / 2;
  const upper = sorted[Math.floor(middle)] ?? NaN;
  const lower = sorted[Math.ceil(middle) - 1] ?? NaN;
  return (lower + upper) / 2;
}

/** The first two lines of the table, in Markdown, as in docs/benchmarks.md. */
export const tableHead = [
  '| what | against | measure | median | smallest – largest | aim |',
  '|---|---|---|---|---|---|',
].join('\n');

/** A further line. */
export function tableLine(row: Row, { median, smallest, largest }: Spread): string {
  const cells = [
    row.what,
    row.against,
    row.measure,
    shown(median, row),
    `${shown(smallest, row)} – ${shown(largest, row)}`,
    row.aim === undefined ? '' : `<= ${row.aim}${row.by === undefined ? ' ms' : ''}`,
  ];
  return `| ${cells.join(' | ')} |`;
}

/** Two digits behind the point, three of what is small; milliseconds are named, ratios have no unit. */
function shown(value: number, row: Row): string {
  if (row.by === undefined) return `${value.toFixed(1)} ms`;
  return value.toFixed(Math.abs(value) < 0.2 ? 3 : 2);
}
