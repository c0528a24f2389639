import {
  isAlias,
  isMap,
  isPair,
  isScalar,
  isSeq,
  LineCounter,
  parseDocument,
  visit,
  type Document,
} from 'yaml';
import type { Problem } from './problem.ts';
import { shownKey } from '../text.ts';

/** Where something stands in a file. */
export interface Place {
  /** From 1. */
  readonly line: number;
  /** How the file writes the value, when it is a single value: `0x10` where the value is 16. */
  readonly source?: string;
}

/**
 * A second look at a configuration file, for what a decoded value no longer shows: lines, spelling, tags and
 * repeated keys. JSON is read as the YAML that it is.
 *
 * Only for text that the other readers have accepted, with a known small depth: the `yaml` package descends by
 * recursion without a limit, and when that uses up the stack inside of a regular expression V8 ends the whole process.
 */
export class SourceMap {
  readonly #lines = new LineCounter();
  readonly #document: Document;

  constructor(text: string) {
    this.#document = parseDocument(text, {
      lineCounter: this.#lines,
      prettyErrors: false,
      uniqueKeys: false,
      logLevel: 'silent',
    });
  }

  /** Where a problem is: at its value or key, or at the nearest thing around it that the file has. */
  place({ path, atKey = false }: Pick<Problem, 'path' | 'atKey'>): Place {
    let node: unknown = this.#document.contents;
    let place = this.#placeOf(node) ?? { line: 1 };
    for (const [depth, part] of path.entries()) {
      const at = isAlias(node) ? node.resolve(this.#document) : node;
      if (isSeq(at)) {
        node = at.items[Number(part)];
      } else if (isMap(at)) {
        const pair = at.items.find(({ key }) => keyText(key) === String(part));
        node = pair?.value;
        if (pair && ((depth === path.length - 1 && atKey) || node === null)) node = pair.key;
      } else {
        node = undefined;
      }
      const inner = this.#placeOf(node);
      if (!inner) break;
      place = inner;
    }
    return place;
  }

  /** The line of every value that carries a YAML tag (`!!str`, `!anything`). */
  tags(): { readonly line: number }[] {
    const found: { line: number }[] = [];
    visit(this.#document, (_, node) => {
      if (isPair(node) || isAlias(node) || node === null || typeof node !== 'object') return;
      if (!('tag' in node) || typeof node.tag !== 'string') return;
      found.push({ line: this.#placeOf(node)?.line ?? 1 });
    });
    return found;
  }

  /** The line of every key that its mapping has already, with a sentence that has both lines. JSON.parse takes the last one in silence. */
  repeatedKeys(): { readonly line: number; readonly text: string }[] {
    const found: { line: number; text: string }[] = [];
    visit(this.#document, {
      Map: (_, map) => {
        const seen = new Map<string, number>();
        for (const { key } of map.items) {
          const name = keyText(key);
          if (name === undefined) continue;
          const line = this.#placeOf(key)?.line ?? 1;
          const first = seen.get(name);
          if (first === undefined) seen.set(name, line);
          else found.push({ line, text: twice(name, first, line) });
        }
      },
    });
    return found;
  }

  #placeOf(node: unknown): Place | undefined {
    if (typeof node !== 'object' || node === null || !('range' in node) || !Array.isArray(node.range)) {
      return undefined;
    }
    const line = this.#lines.linePos(Number(node.range[0])).line;
    return isScalar(node) && node.source !== undefined ? { line, source: node.source } : { line };
  }
}

function twice(name: string, first: number, second: number): string {
  const where = first === second ? `line ${first}` : `lines ${first} and ${second}: merge the two`;
  return `the key ${shownKey(name)} is there twice, in ${where}`;
}

function keyText(key: unknown): string | undefined {
  return isScalar(key) ? String(key.value) : undefined;
}
