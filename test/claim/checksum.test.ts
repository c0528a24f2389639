import assert from 'node:assert/strict';
import { isIntact, withChecksum } from '../../src/claim/checksum.ts';

const text = `${JSON.stringify({ guest: 'wïn\ud800', size: 1 }, null, 1)}\n`;

describe('the checksum of a claim file', () => {
  it('is the last key of a JSON object that is otherwise the same', () => {
    const { checksum, ...rest } = JSON.parse(withChecksum(text)) as Record<string, unknown>;
    assert.deepEqual(rest, JSON.parse(text));
    assert.match(String(checksum), /^[0-9a-f]{8}$/);
  });

  it('is the CRC-32 that other programs know', () => {
    assert.equal(withChecksum('{\n "size": 1\n}\n'), '{\n "size": 1,\n "checksum": "2eca80ad"\n}\n');
  });

  it('tells that one bit is another one, whichever', () => {
    const bytes = Buffer.from(withChecksum(text));
    assert.ok(isIntact(bytes.toString()));
    for (let bit = 0; bit < bytes.length * 8; bit += 1) {
      const flipped = Buffer.from(bytes);
      flipped[bit >> 3]! ^= 1 << (bit & 7);
      assert.equal(isIntact(flipped.toString()), false, `bit ${bit}`);
    }
  });

  it('may lack the newline behind it, and nothing else', () => {
    const whole = withChecksum(text);
    assert.equal(isIntact(whole.slice(0, -1)), true);
    assert.equal(isIntact(whole.slice(0, -2)), false);
    assert.equal(isIntact(`${whole} `), false);
    assert.equal(isIntact(text), false);
  });
});
