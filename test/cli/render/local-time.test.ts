import assert from 'node:assert/strict';
import { localTime, withLocalTimes } from '../../../src/cli/render/local-time.ts';

describe('local time', () => {
  const before = process.env.TZ;
  afterEach(() => {
    if (before === undefined) delete process.env.TZ;
    else process.env.TZ = before;
  });

  const moment = new Date('2026-11-27T23:30:03.123Z');
  const rows: Readonly<Record<string, string>> = {
    UTC: '2026-11-27 23:30:03 +00:00',
    'Europe/Berlin': '2026-11-28 00:30:03 +01:00',
    'America/St_Johns': '2026-11-27 20:00:03 -03:30',
    'Asia/Kolkata': '2026-11-28 05:00:03 +05:30',
  };
  for (const [zone, expected] of Object.entries(rows)) {
    it(`${zone}: ${expected}`, () => {
      process.env.TZ = zone;
      assert.equal(localTime(moment), expected);
    });
  }

  it('stands in a text for each time in UTC, and for nothing else', () => {
    process.env.TZ = 'Europe/Berlin';
    assert.equal(
      withLocalTimes('held since 2026-07-01T10:00:00.000Z, until 2026-11-27T10:00:00Z'),
      'held since 2026-07-01 12:00:00 +02:00, until 2026-11-27 11:00:00 +01:00',
    );
    for (const other of ['2026-11-27', '2026-13-41T99:00:00Z', '2026-11-27T10:00:00', '12:00:00Z'])
      assert.equal(withLocalTimes(other), other);
  });
});
