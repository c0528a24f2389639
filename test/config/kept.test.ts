import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { decodeConfigFile } from '../../src/config/decode.ts';
import { decodeKept, encodeKept, type Decoded } from '../../src/config/kept.ts';

const folder = new URL('../../examples/configs/', import.meta.url);
const from: Decoded = {
  build: '1.2.3-0123abcd',
  path: '/etc/vfio-hook/config.yaml',
  scope: 'all',
  text: 'devices: [{match: vga, bars: {0: 256M}}]\n',
};
const config = decodeConfigFile(from.text, from.path, from.scope);

describe('kept configurations', () => {
  for (const name of readdirSync(folder)) {
    it(`examples/configs/${name} comes back as it was decoded`, () => {
      const text = readFileSync(new URL(name, folder), 'utf8');
      const of: Decoded = { ...from, path: `/etc/vfio-hook/${name}`, text };
      const decoded = decodeConfigFile(text, of.path, text.includes('\ndisplay:') ? 'guest' : 'all');
      assert.deepEqual(decodeKept(encodeKept(of, decoded), of), decoded);
    });
  }

  for (const [what, other] of [
    ['another build', { build: '1.2.3-0123abce' }],
    ['another path', { path: '/etc/vfio-hook/config.json' }],
    ['another scope', { scope: 'guest' }],
    ['one more byte', { text: `${from.text} ` }],
    ['no text', { text: '' }],
  ] as const) {
    it(`is nothing to ${what}`, () => {
      const kept = encodeKept(from, config);
      assert.deepEqual(decodeKept(kept, from), config);
      assert.equal(decodeKept(kept, { ...from, ...other }), undefined);
    });
  }

  it('is not taken from what is no such text, and nothing is thrown', () => {
    for (const text of ['', '{', 'null', '[]', '1', '{}', encodeKept(from, config).slice(0, -3)])
      assert.equal(decodeKept(text, from), undefined, text);
    const without = JSON.stringify({ ...from, config: null });
    assert.equal(decodeKept(without, from), undefined);
  });

  it('a text with whatever is in it is told from every other one', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), (one, other) => {
        const kept = encodeKept({ ...from, text: one }, config);
        assert.deepEqual(decodeKept(kept, { ...from, text: one }), config);
        assert.equal(decodeKept(kept, { ...from, text: other }) === undefined, one !== other);
      }),
    );
  });
});
