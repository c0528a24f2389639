import assert from 'node:assert/strict';
import type { ClaimState } from '../../src/claim/claim.ts';
import { isHeldByYounger } from '../../src/engine/younger.ts';
import { guest, scenarios } from '../scenario.ts';

describe('isHeldByYounger', () => {
  const scenario = scenarios();
  const cases: readonly [string, ClaimState, number, boolean][] = [
    ['devices that a process has handed over which began later', 'held', 1, true],
    ['devices that a process has handed over which began earlier', 'held', -1, false],
    ['devices that a process has handed over which began in the same tick', 'held', 0, false],
    ['devices that were never handed over, whoever began it', 'preparing', 1, false],
    ['devices that are being given back', 'restoring', 1, false],
  ];
  for (const [name, state, ticks, expected] of cases) {
    it(`is ${String(expected)} of ${name}`, async () => {
      const s = scenario();
      await s.prepare(guest('win11', '0000:03:00.0'));
      const { host } = s.engine();
      const [claim] = s.claims();
      const writer = { pid: 1, startTime: host.self().startTime + ticks };
      assert.equal(isHeldByYounger(host, { ...claim!, state, writer }), expected);
    });
  }
});
