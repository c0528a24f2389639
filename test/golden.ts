import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(fileURLToPath(import.meta.url));

/**
 * Compares `text` with the golden file `relativePath` (below test/, such as `domain/golden/mdev.json`).
 *
 * - With UPDATE_GOLDEN=1 in the environment the file is written and nothing is compared: review the diff
 *   like code.
 * - Throws an AssertionError that shows the difference and names the variable.
 */
export function expectGolden(relativePath: string, text: string): void {
  const path = join(root, relativePath);
  const name = relative(dirname(root), path);
  if (process.env['UPDATE_GOLDEN'] === '1') {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
    return;
  }
  const regenerate = `run the same test with UPDATE_GOLDEN=1 in the environment and review the diff`;
  const golden = readGolden(path);
  assert.ok(golden !== undefined, `there is no golden file ${name}; to write it, ${regenerate}`);
  if (golden === text) return;
  throw new assert.AssertionError({
    message: `${firstDifference(golden, text, name)}; if that is wanted, ${regenerate}`,
    actual: text,
    expected: golden,
    operator: 'strictEqual',
  });
}

function readGolden(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

function firstDifference(golden: string, text: string, name: string): string {
  const expected = golden.split('\n');
  const actual = text.split('\n');
  const index = expected.findIndex((line, i) => line !== actual[i]);
  const at = index === -1 ? expected.length : index;
  return `the output differs from ${name} in line ${at + 1}: expected ${show(expected[at])}, got ${show(actual[at])}`;
}

function show(line: string | undefined): string {
  return line === undefined ? 'the end' : JSON.stringify(line);
}
