import assert from 'node:assert/strict';
import { decodeUtf8 } from '../src/utf8.ts';

describe('text from bytes', () => {
  it('is what a strict decoder makes of them', () => {
    const strict = (bytes: Buffer): string | undefined => {
      try {
        return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
      } catch {
        return undefined;
      }
    };
    const cases = [
      '',
      'plain',
      'gâst 東京 🖥',
      '\ufeffwith a mark',
      '\ufeff\ufefftwo marks',
      'mark \ufeff inside',
    ].map((text) => Buffer.from(text));
    const broken = [[0xff], [0xc3], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80], [0x61, 0x80]];
    for (const bytes of [...cases, ...broken.map((each) => Buffer.from(each))])
      assert.equal(decodeUtf8(bytes), strict(bytes), bytes.toString('hex'));
    assert.equal(decodeUtf8(Buffer.from([0xff])), undefined);
  });
});
