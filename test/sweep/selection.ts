import { createHash } from 'node:crypto';

/** Which points of a sweep are run. A point is known by its name alone, so that it can be run again. */
export interface Selection {
  takes(name: string): boolean;
}

/** Every point. */
export const everything: Selection = { takes: () => true };

/** The points whose name has this text in it: how one bad point is repeated. */
export function only(text: string): Selection {
  return { takes: (name) => name.includes(text) };
}

/** The same `part` (0 to 1) of all points in every run, chosen by their names. */
export function sample(part: number): Selection {
  return { takes: (name) => numberOf(name) < part * 2 ** 32 };
}

/** A number from 0 to 2^32 - 1 that is always the same for the same text. */
export function numberOf(text: string): number {
  return createHash('sha256').update(text).digest().readUInt32LE();
}
