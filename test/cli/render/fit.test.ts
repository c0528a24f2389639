import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { columnsOf, hanging, shorten, wrap, wrapCommand } from '../../../src/cli/render/fit.ts';

describe('columnsOf', () => {
  const texts: Readonly<Record<string, number>> = {
    '': 0,
    'GA102 [GeForce]': 15,
    naïve: 5,
    'nai\u0308ve': 5,
    日本: 4,
    한글: 4,
    '🖥': 2,
    '…': 1,
    '👩‍💻': 2,
    '\u001b[31mred\u001b[39m': 3,
  };
  for (const [text, columns] of Object.entries(texts)) {
    it(`${JSON.stringify(text)} takes ${columns}`, () => {
      assert.equal(columnsOf(text), columns);
    });
  }
});

describe('shorten', () => {
  it('leaves what fits', () => {
    assert.equal(shorten('GA102', 5), 'GA102');
  });

  it('cuts, says so, and never takes more than there is', () => {
    assert.equal(shorten('GA102 [GeForce RTX 3090]', 10), 'GA102 [Ge…');
    assert.equal(shorten('GA102 GeForce', 7), 'GA102…');
    assert.equal(shorten('日本語', 4), '日…');
  });
});

describe('wrap', () => {
  it('breaks at blanks', () => {
    assert.deepEqual(wrap('one two three four', 9), ['one two', 'three', 'four']);
  });

  it('keeps a word that is too long', () => {
    assert.deepEqual(wrap('see /sys/bus/pci/devices/0000:01:00.0 there', 10), [
      'see',
      '/sys/bus/pci/devices/0000:01:00.0',
      'there',
    ]);
  });

  it('breaks nothing when there is no terminal', () => {
    assert.deepEqual(wrap('one two three four', undefined), ['one two three four']);
  });
});

describe('hanging', () => {
  it('puts a paragraph behind its head', () => {
    assert.deepEqual(hanging('hint: ', 'see what there is to see in it', 26), [
      'hint: see what there is to',
      '      see in it',
    ]);
    assert.deepEqual(hanging('hint: ', 'a b', undefined), ['hint: a b']);
  });

  it('colours each line by itself', () => {
    const [first = '', second = ''] = hanging('- ', '\u001b[31mone two three four five\u001b[39m', 24);
    assert.equal(first, '- \u001b[31mone two three four\u001b[39m');
    assert.equal(second, '  \u001b[31mfive\u001b[39m');
  });
});

describe('wrapCommand', () => {
  it('is one line where there is room or no terminal', () => {
    assert.deepEqual(wrapCommand('type: ', 'chmod go-w /etc', 40), ['type: chmod go-w /etc']);
    assert.deepEqual(wrapCommand('type: ', 'chmod go-w /etc', undefined), ['type: chmod go-w /etc']);
  });

  it('breaks where a shell takes the lines together, never in quotes', () => {
    for (const command of [
      "echo 'one two three four five six' | sudo tee /etc/modprobe.d/vfio.conf && update-initramfs -u",
      'printf "%s\\n" "a b \\" c" a\\ b long-long-long-long-long-word another-another-word',
    ]) {
      const lines = wrapCommand('', command, 30);
      assert.ok(lines.length > 2);
      for (const line of lines.slice(0, -1)) assert.match(line, / \\$/);
      const args = (text: string): string =>
        execFileSync('sh', ['-c', `set -f; printf '[%s]' ${text.replace(/[|&]/g, '+')}`], {
          encoding: 'utf8',
        });
      assert.equal(args(lines.join('\n')), args(command));
    }
  });
});
