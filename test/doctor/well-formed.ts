import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import type { Finding } from '../../src/doctor/finding.ts';

/** A finding is one line without a final period; each command is one that a shell can read. */
export function wellFormed({ found, title, fix }: Finding): void {
  for (const text of [found, title]) assert.match(text, /^[^\n]*[^.\n]$/);
  for (const each of fix) {
    if (each.kind === 'paste') {
      assert.match(each.into, /^[^\n]+$/);
      continue;
    }
    assert.match(each.text, /^[^\n]*[^.\n]$/);
    if (each.kind === 'advice') continue;
    assert.doesNotMatch(each.text, /[…<]|\bGUEST\b/, 'a placeholder');
    const { status, stderr } = spawnSync('sh', ['-n', '-c', each.text], { encoding: 'utf8' });
    assert.deepEqual([status, stderr], [0, ''], each.text);
  }
}
