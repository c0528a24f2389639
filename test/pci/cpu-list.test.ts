import assert from 'node:assert/strict';
import fc from 'fast-check';
import {
  commonCpus,
  cpuList,
  cpusOf,
  cpusWithout,
  cpuWords,
  isCpuList,
  parseCpuList,
} from '../../src/pci/cpu-list.ts';

describe('a list of CPUs', () => {
  it('is read as the kernel and as systemd print it', () => {
    for (const text of ['0-3,8', '0-3 8', '8, 0-3', '3,2,1,0,8-8', ' 0-1,1-3,8\n'])
      assert.deepEqual(parseCpuList(text), [0, 1, 2, 3, 8], text);
    for (const text of ['', '\n', '  ']) assert.deepEqual(parseCpuList(text), []);
  });

  it('is not read from another text', () => {
    for (const text of [
      'a',
      '1-',
      '-1',
      '3-2',
      '0,,1',
      ',',
      '0-3:1/2',
      '^1',
      '16384',
      '0-99999',
      '1.5',
      '0x1',
    ])
      assert.equal(parseCpuList(text), undefined, text);
    assert.throws(() => cpusOf('x'), /"x" is no list of CPUs/);
  });

  it('is the same for the same CPUs', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(200)), (cpus) => {
        const list = cpuList(cpus);
        const sorted = [...new Set(cpus)].sort((a, b) => a - b);
        assert.deepEqual(parseCpuList(list), sorted);
        assert.equal(cpuList([...cpus].reverse()), list);
        assert.equal(isCpuList(list), cpus.length > 0);
      }),
    );
    for (const text of ['0,1', '0 1', '1,0', '0-0', '00', '']) assert.ok(!isCpuList(text), text);
  });

  it('has what it has in common with others, and what is left of it without some', () => {
    assert.equal(commonCpus('0-7', '2-9', '0,3-5,7'), '3-5,7');
    assert.equal(commonCpus('0-3', '4-7'), '');
    assert.equal(commonCpus('0-3'), '0-3');
    assert.equal(cpusWithout('0-7', [1, 2, 9]), '0,3-7');
    assert.equal(cpusWithout('1', [1]), '');
  });

  it('has words', () => {
    assert.deepEqual(['', '4', '0-1', '0,2'].map(cpuWords), ['no CPU', 'CPU 4', 'CPUs 0-1', 'CPUs 0,2']);
  });
});
