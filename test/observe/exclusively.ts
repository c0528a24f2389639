import assert from 'node:assert/strict';
import type { Host, Opening } from '../../src/host/host.ts';

/** What opening one block device exclusively comes to. */
export async function exclusively(host: Host, node: string): Promise<Opening> {
  const opened = await host.openExclusive([node], 10_000);
  assert.equal(opened.kind, 'opened');
  const answer = opened.answers.get(node);
  assert.ok(answer);
  return answer;
}
