import { numberOf, type Selection } from './selection.ts';

/** What came of a sweep, or of a part of it. */
export interface Totals {
  readonly points: number;
  readonly bad: readonly Bad[];
  /** Largest value of each thing that was measured, such as `slowest document, ms`. */
  readonly largest: Readonly<Record<string, number>>;
}

/** A point at which something is wrong. */
export interface Bad {
  readonly point: string;
  readonly why: string;
}

/** Runs the points of a sweep that are selected, and keeps account. */
export class Tally {
  readonly #prefix: string;
  readonly #selection: Selection;
  readonly #bad: Bad[] = [];
  readonly #largest: Record<string, number> = {};
  #points = 0;

  /** `prefix` begins every name. */
  constructor(prefix: string, selection: Selection) {
    this.#prefix = prefix;
    this.#selection = selection;
  }

  /** Whether a point is to be run: for what has to be prepared before it. */
  takes(name: string): boolean {
    return this.#selection.takes(`${this.#prefix} ${name}`);
  }

  /** Runs one point, when it is selected; what it throws makes it a bad one. */
  async point(name: string, action: () => Promise<void> | void): Promise<void> {
    if (!this.takes(name)) return;
    this.#points += 1;
    try {
      await action();
    } catch (error) {
      this.#bad.push({ point: `${this.#prefix} ${name}`, why: reasonOf(error) });
    }
  }

  /** A number from 0 to 2^32 - 1 that belongs to a point. */
  numberOf(name: string): number {
    return numberOf(`${this.#prefix} ${name}`);
  }

  /** Remembers the largest value of something that is measured. */
  measure(what: string, value: number): void {
    this.#largest[what] = Math.max(this.#largest[what] ?? 0, value);
  }

  totals(): Totals {
    return { points: this.#points, bad: this.#bad, largest: this.#largest };
  }
}

/** The totals of several parts together. */
export function sum(parts: readonly Totals[]): Totals {
  const largest: Record<string, number> = {};
  for (const part of parts) {
    for (const [what, value] of Object.entries(part.largest)) {
      largest[what] = Math.max(largest[what] ?? 0, value);
    }
  }
  return {
    points: parts.reduce((points, part) => points + part.points, 0),
    bad: parts.flatMap(({ bad }) => bad),
    largest,
  };
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause === undefined ? '' : `\ncaused by: ${reasonOf(error.cause)}`;
  return `${error.stack ?? error.message}${cause}`;
}
