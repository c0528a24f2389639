import assert from 'node:assert/strict';
import { advice, command, hintText, paste, uniqueHints } from '../src/hint.ts';

describe('a hint', () => {
  it('is one line, whatever kind it is of', () => {
    assert.equal(hintText(command('vfio-hook recover')), 'vfio-hook recover');
    assert.equal(hintText(advice('keep one of the files')), 'keep one of the files');
    assert.equal(hintText(paste('/etc/x.yaml', 'a: 1\nb: 2')), 'paste: a: 1 b: 2 in /etc/x.yaml');
    assert.equal(hintText(paste('/etc/x.yaml', 'a: 1', 'to allow it')), 'to allow it: a: 1 in /etc/x.yaml');
  });

  it('is said once, in the place where it was said first', () => {
    const hints = [advice('a'), command('a'), advice('b'), advice('a')];
    assert.deepEqual(uniqueHints(hints), [advice('a'), command('a'), advice('b')]);
  });
});
