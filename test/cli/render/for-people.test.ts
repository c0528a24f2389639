import assert from 'node:assert/strict';
import fc from 'fast-check';
import { columnsOf } from '../../../src/cli/render/fit.ts';
import { errorText, forPeople, hintForPeople, plain } from '../../../src/cli/render/for-people.ts';
import { VfioHookError } from '../../../src/errors.ts';
import { advice, command } from '../../../src/hint.ts';

const manner = { colour: false, unicode: true, columns: 40 };

describe('forPeople', () => {
  it('breaks at blanks, further lines two columns to the right of the first', () => {
    assert.equal(
      forPeople('short\n    a line that is longer than the forty columns that there are', manner),
      'short\n    a line that is longer than the\n      forty columns that there are',
    );
  });

  it('keeps the colours of a line that it breaks, and its indentation', () => {
    const text = forPeople(`\u001b[2m    ${'word '.repeat(12)}end\u001b[22m`, { ...manner, colour: true });
    const lines = text.split('\n');
    assert.ok(lines.length > 1);
    // eslint-disable-next-line no-control-regex -- colours begin with the escape character
    for (const line of lines) assert.match(line, /^ {4}(?: {2})?\u001b\[2m\S.*\u001b\[22m$/);
  });

  it('no word is broken, nothing is lost, every line fits', () => {
    const word = fc.stringMatching(/^[a-z0-9:/.→…]{1,30}$/);
    fc.assert(
      fc.property(
        fc.nat(6),
        fc.array(word, { minLength: 1 }),
        fc.integer({ min: 40, max: 100 }),
        (indent, words, columns) => {
          const text = forPeople(' '.repeat(indent) + words.join(' '), { ...manner, columns });
          assert.deepEqual(text.trim().split(/\s+/), words);
          for (const line of text.split('\n')) assert.ok(columnsOf(line) <= columns, line);
        },
      ),
    );
  });

  it('is ASCII, harmless and on the clock on the wall where that is wanted', () => {
    const text = 'a → “b\u001b[2J” at 2026-11-27T10:00:00.000Z é';
    const said = plain(text, { ...manner, unicode: false });
    assert.match(said, /^a -> "b\\u\{1b\}\[2J" at 2026-11-2\d \d\d:\d\d:00 [+-]\d\d:\d\d \\u\{e9\}$/);
    assert.equal(plain(said, { ...manner, unicode: false }), said);
  });
});

describe('errorText', () => {
  it('is the sentence and the hints; a command is still one when it is broken', () => {
    const error = new VfioHookError('VH_BUSY', 'it is in use by a program that has a long name', {
      hints: [command('sudo systemctl stop a-service-with-a-name.service'), advice('see\nthere')],
    });
    assert.equal(
      errorText(error, manner),
      [
        'vfio-hook: error: it is in use by a',
        '  program that has a long name',
        'vfio-hook: hint: sudo systemctl stop \\',
        '                   a-service-with-a-name.service',
        'vfio-hook: hint: see\\u{a}there',
      ].join('\n'),
    );
  });

  it('without a terminal each is one line', () => {
    const wide = { ...manner, columns: undefined };
    assert.deepEqual(hintForPeople('- ', command('a b c'), wide), ['- a b c']);
    assert.equal(errorText(new Error('x'.repeat(200)), wide).split('\n').length, 2);
  });
});
