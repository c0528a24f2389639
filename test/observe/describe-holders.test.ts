import assert from 'node:assert/strict';
import { describeHolders } from '../../src/observe/describe-holders.ts';
import type { Holder } from '../../src/host/host.ts';

const holder = (pid: number, facts: Partial<Holder> = {}): Holder => ({
  pid,
  name: 'mpv',
  path: '/dev/dri/card1',
  ...facts,
});

describe('describeHolders', () => {
  const rows: readonly (readonly [name: string, holders: readonly Holder[], words: string])[] = [
    ['nobody that could be found', [], 'another process'],
    ['one program', [holder(7)], '"mpv" (pid 7)'],
    ['its unit', [holder(7, { unit: { name: 'mpv.service' } })], '"mpv" (pid 7, mpv.service)'],
    ['that it does nothing', [holder(7, { halted: true })], '"mpv" (pid 7, stopped)'],
    ['a guest', [holder(7, { guest: 'win10', name: 'qemu-system-x86' })], 'guest "win10" (pid 7)'],
    ['a program with two nodes, once', [holder(7), holder(7, { path: '/dev/fb0' })], '"mpv" (pid 7)'],
    ['three', [holder(7), holder(8), holder(9)], '"mpv" (pid 7), "mpv" (pid 8) and "mpv" (pid 9)'],
    [
      'three of five',
      [7, 8, 9, 10, 11].map((pid) => holder(pid)),
      '"mpv" (pid 7), "mpv" (pid 8), "mpv" (pid 9) and 2 more',
    ],
    ['a name that drives a terminal', [holder(7, { name: '\u001b[2J"' })], '"\\u{1b}[2J\\"" (pid 7)'],
  ];
  for (const [name, holders, words] of rows) {
    it(`names ${name}`, () => {
      assert.equal(describeHolders(holders), words);
    });
  }
});
