import { isWord, shownKey } from '../text.ts';

/** The keys and list indexes that lead from the top of a document to a value. */
export type ValuePath = readonly (string | number)[];

/** One thing that is wrong in a configuration file. */
export interface Problem {
  readonly path: ValuePath;
  /** What is wrong, without the place. */
  readonly text: string;
  /** Whether the place is the key rather than its value. */
  readonly atKey?: boolean;
}

/** A path as people write it: `devices[0].bars.2`; empty for the whole document. */
export function formatValuePath(path: ValuePath): string {
  let text = '';
  for (const part of path) {
    if (typeof part === 'number') text += `[${part}]`;
    else if (isWord(part)) text += text === '' ? part : `.${part}`;
    else text += `[${shownKey(part)}]`;
  }
  return text;
}
