import assert from 'node:assert/strict';
import { writeFileSync, readFileSync, existsSync } from 'node:fs';
import type { Hint } from '../../src/hint.ts';

/** Does to a text, word by word, what a hint about a configuration file says. Undefined stands for no file. */
export function applyHint(text: string | undefined, hint: Hint, path: string): string {
  const lines = (text ?? '').split('\n');
  if (hint.kind === 'advice') {
    const [, numbers = '', file] =
      /take the "# " away from lines? ([\d and]+) of ([^:]+): /.exec(hint.text) ?? [];
    assert.equal(file, path, hint.text);
    const chosen = numbers.split(' and ').map(Number);
    return lines
      .map((line, index) => (chosen.includes(index + 1) ? line.replace('# ', '') : line))
      .join('\n');
  }
  assert.equal(hint.kind, 'paste');
  const [, file, place = ''] = /^([^,]+)(.*)$/.exec(hint.into) ?? [];
  assert.equal(file, path, hint.into);
  const below = /^, below line (\d+)$/.exec(place)?.[1];
  const [, line, column] = /^, in line (\d+) before column (\d+)$/.exec(place) ?? [];
  if (below !== undefined) return [...lines.slice(0, +below), hint.text, ...lines.slice(+below)].join('\n');
  if (line !== undefined && column !== undefined) {
    const own = lines[+line - 1] ?? '';
    const changed = own.slice(0, +column - 1) + hint.text + own.slice(+column - 1);
    return [...lines.slice(0, +line - 1), changed, ...lines.slice(+line)].join('\n');
  }
  if (place === ', at the end') return `${text?.replace(/\n*$/, '\n') ?? ''}${hint.text}\n`;
  assert.deepEqual([place, text], ['', undefined], 'a whole file where there is one already');
  return `${hint.text}\n`;
}

/** The same to a file. */
export function applyToFile(path: string, hints: readonly Hint[]): void {
  for (const hint of hints)
    writeFileSync(path, applyHint(existsSync(path) ? readFileSync(path, 'utf8') : undefined, hint, path));
}
