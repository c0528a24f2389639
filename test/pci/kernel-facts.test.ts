import assert from 'node:assert/strict';
import { kernelFacts, restoringKernels, type KernelFacts } from '../../src/pci/kernel-facts.ts';

const debian = (version: string): string =>
  `Linux version 6.1.0-51-amd64 (debian-kernel@lists.debian.org) (gcc-12 (Debian 12.2.0-14+deb12u1) 12.2.0, GNU ld (GNU Binutils for Debian) 2.40) #1 SMP PREEMPT_DYNAMIC Debian ${version} (2026-11-20)\n`;

describe('kernelFacts', () => {
  const rows: readonly (readonly [
    sentence: string,
    kernel: readonly [release: string, banner?: string],
    facts: Partial<KernelFacts>,
  ])[] = [
    ['the last series without a guard', ['5.18.19'], { known: true, guardsGroups: false }],
    ['the first series with one', ['5.19.0'], { guardsGroups: true, resizesBars: false }],
    ['older than any that was tried', ['5.14.0-503.el9.x86_64'], { known: false, guardsGroups: false }],
    ['a major number without a minor one', ['7'], { known: true, restoresBars: true }],
    ['no release at all', [''], { known: false, resizesBars: false }],
    ['the first that resizes', ['6.1.0'], { resizesBars: true, restoresBars: false }],
    ['mainline before the mending', ['6.17.9'], { restoresBars: false }],
    ['mainline with it', ['6.19.0-rc1'], { restoresBars: true }],
    ['6.12 before the mending', ['6.12.96+deb13-amd64'], { restoresBars: false }],
    ['6.12 with it', ['6.12.97+deb13-amd64'], { restoresBars: true }],
    ['6.6 before it', ['6.6.144'], { restoresBars: false }],
    ['6.6 with it', ['6.6.145'], { restoresBars: true }],
    ['6.18 before it', ['6.18.39'], { restoresBars: false }],
    ['6.18 with it', ['6.18.40-1-lts'], { restoresBars: true }],
    ['Debian 12 before it, by its banner', ['6.1.0-50-amd64', debian('6.1.176-1')], { restoresBars: false }],
    ['Debian 12 with it, by its banner', ['6.1.0-51-amd64', debian('6.1.178-1')], { restoresBars: true }],
    ['a compiler whose version is large', ['6.1.0', 'gcc 12.2.900, ld 6.2.999'], { restoresBars: false }],
    [
      'Ubuntu, whose own number is no patch level',
      ['6.8.0-145-generic', 'Ubuntu 6.8.0-145.145-generic 6.8.12'],
      { resizesBars: true, restoresBars: false },
    ],
  ];
  for (const [sentence, [release, banner], expected] of rows) {
    it(sentence, () => {
      const facts = kernelFacts(release, banner);
      assert.deepEqual({ ...facts, ...expected }, facts);
    });
  }

  it('names the kernels that a warning is cleared with', () => {
    assert.equal(restoringKernels, '6.19, or 6.1.178, 6.6.145, 6.12.97, 6.18.40 of its series');
  });
});
