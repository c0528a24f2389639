import assert from 'node:assert/strict';
import { columnsFor, takesUnicode, toAscii } from '../../../src/cli/render/locale.ts';

describe('takesUnicode', () => {
  const rows: readonly (readonly [Readonly<Record<string, string>>, boolean])[] = [
    [{}, true],
    [{ LANG: '' }, true],
    [{ LANG: 'en_US.UTF-8' }, true],
    [{ LANG: 'C.utf8' }, true],
    [{ LANG: 'C' }, false],
    [{ LANG: 'POSIX' }, false],
    [{ LANG: 'de_DE@euro' }, false],
    [{ LANG: 'en_US.UTF-8', LC_CTYPE: 'C' }, false],
    [{ LANG: 'C', LC_CTYPE: 'en_US.UTF-8' }, true],
    [{ LANG: 'en_US.UTF-8', LC_CTYPE: 'en_US.UTF-8', LC_ALL: 'C' }, false],
    [{ LANG: 'en_US.UTF-8', LC_ALL: '' }, true],
  ];
  for (const [env, expected] of rows) {
    it(`${JSON.stringify(env)}: ${expected ? 'yes' : 'no'}`, () => {
      assert.equal(takesUnicode(env), expected);
    });
  }
});

describe('columnsFor', () => {
  it('COLUMNS counts before the terminal', () => {
    assert.equal(columnsFor({ COLUMNS: '60' }, { columns: 100 }), 60);
    assert.equal(columnsFor({ COLUMNS: '60' }, {}), 60);
    assert.equal(columnsFor({}, { columns: 100 }), 100);
  });

  it('no terminal, or one that does not say its size, has no end', () => {
    assert.equal(columnsFor({}, {}), undefined);
    assert.equal(columnsFor({}, { columns: 0 }), undefined);
    for (const wrong of ['', '0', 'x', '-5', '6e1', '100000']) {
      assert.equal(columnsFor({ COLUMNS: wrong }, {}), undefined);
    }
  });

  it('is 40 at least', () => {
    assert.equal(columnsFor({ COLUMNS: '7' }, {}), 40);
  });
});

describe('toAscii', () => {
  it('has ASCII for each of our signs', () => {
    assert.equal(toAscii('a → b… “c” ‘d’ · 2×3 –'), 'a -> b... "c" \'d\' - 2x3 -');
    assert.equal(toAscii('├─ │ └─'), '|- | `-');
  });

  it('shows every other character by its number', () => {
    assert.equal(toAscii('naïve 日 🖥'), 'na\\u{ef}ve \\u{65e5} \\u{1f5a5}');
  });

  it('leaves ASCII alone', () => {
    const ascii = Array.from({ length: 128 }, (_, code) => String.fromCharCode(code)).join('');
    assert.equal(toAscii(ascii), ascii);
  });
});
